#!/usr/bin/env bash
# Limits how many vGPUs a project may hold, by Keystone's unified limits (on the controllers: [quota] driver =
# nova.quota.UnifiedLimitsDriver). Needs the openstack client and an administrator's credentials.
#
#   ./quota.sh PROJECT COUNT [CLASS]         # CLASS: VGPU, or a custom class such as CUSTOM_FACEBENCH_VGPU
#
# Once Nova uses unified limits, a resource that has no registered limit is forbidden to all; so the default is registered
# first, as 0: a project without a limit of its own gets none.
set -euo pipefail

if [ $# -lt 2 ] || [ $# -gt 3 ]; then
    sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2
    exit 2
fi
project=$1 count=$2 resource=class:${3:-VGPU}
region=${OS_REGION_NAME:-RegionOne}

registered=$(openstack registered limit list --service nova --region "$region" --resource-name "$resource" -f value -c ID)
if [ -z "$registered" ]; then
    openstack registered limit create --service nova --region "$region" --default-limit 0 "$resource"
fi
limit=$(openstack limit list --service nova --region "$region" --resource-name "$resource" --project "$project" -f value -c ID)
if [ -z "$limit" ]; then
    openstack limit create --service nova --region "$region" --project "$project" --resource-limit "$count" "$resource"
else
    openstack limit set --resource-limit "$count" "$limit"
fi
