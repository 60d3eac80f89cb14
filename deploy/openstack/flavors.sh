#!/usr/bin/env bash
# The flavors of the comparison: the same processors, memory and disk in each, so that only the GPU differs. Needs the
# openstack client and an administrator's credentials. Name what your cloud has:
#
#   ./flavors.sh cpu vgpu                     # only these
#   DRY_RUN=1 ./flavors.sh                    # prints the commands for all
#
# The host's kernel and driver decide which one you need: nova.conf.d/ has the configuration for each.
#
#   cpu          no GPU
#   vgpu         a vGPU as mediated device (mdev): nova.conf.d/vgpu-mdev.conf
#   vgpu-mig     the same, on a MIG slice, distinguished by a trait: nova.conf.d/vgpu-mig.conf
#   vgpu-vfio    a vGPU as SR-IOV virtual function with a vendor's VFIO driver, where the kernel has no mdev for the
#                GPU any more: nova.conf.d/vgpu-vfio.conf
#   passthrough  the whole GPU: nova.conf.d/passthrough.conf
#   fpga         an FPGA by Cyborg: nova.conf.d/fpga.conf, device-profile-fpga.json
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

readonly ALL=(cpu vgpu vgpu-mig vgpu-vfio passthrough fpga)
VCPUS=${VCPUS:-4}
RAM=${RAM:-16384} # MiB
DISK=${DISK:-40}  # GiB
# `dedicated` gives each instance cores of its own, so that other instances do not disturb the figures; the computes then need
# [compute] cpu_dedicated_set.
CPU_POLICY=${CPU_POLICY:-}

flavor() { # NAME PROPERTY...
    local name=facebench.$1 properties=() property
    shift
    for property in "$@"; do
        properties+=(--property "$property")
    done
    [ -z "$CPU_POLICY" ] || properties+=(--property "hw:cpu_policy=$CPU_POLICY")
    run openstack flavor create "$name" --vcpus "$VCPUS" --ram "$RAM" --disk "$DISK" ${properties[@]+"${properties[@]}"}
}

make() {
    case $1 in
        cpu) flavor cpu ;;
        # One vGPU. Two in one instance need resources1:VGPU=1 and resources2:VGPU=1, and GPUs that allow it.
        vgpu) flavor vgpu resources:VGPU=1 ;;
        # The trait stands on the GPU's resource provider: openstack resource provider trait set (see the README).
        vgpu-mig) flavor vgpu-mig resources:VGPU=1 trait:CUSTOM_FACEBENCH_MIG=required ;;
        # The alias is the one in [pci] of nova.conf, on the controllers and on the computes alike.
        vgpu-vfio) flavor vgpu-vfio pci_passthrough:alias=facebench-vgpu:1 ;;
        passthrough) flavor passthrough pci_passthrough:alias=facebench-gpu:1 ;;
        fpga)
            run openstack accelerator device profile create facebench-fpga "$(tr -d '\n' <device-profile-fpga.json)"
            flavor fpga accel:device_profile=facebench-fpga
            ;;
        *)
            echo "no such flavor: $1 (there are: ${ALL[*]})" >&2
            exit 2
            ;;
    esac
}

run() {
    if [ -n "${DRY_RUN:-}" ]; then
        printf '%q ' "$@"
        echo
    else
        "$@"
    fi
}

[ $# -gt 0 ] || set -- "${ALL[@]}"
for name in "$@"; do
    make "$name"
done
