//! The signs of virtual machines and containers, summed up in one line.

use super::Host;

/// Kinds of facts that only a virtual machine shows.
const VIRTUAL: &[&str] = &[
    "hypervisor-flag",
    "hypervisor-type",
    "kata",
    "openstack",
    "config-drive",
];

/// Names that only a virtual machine's firmware carries, and the hypervisor or cloud that they stand for.
const MAKERS: &[(&str, &str)] = &[
    ("VMware", "VMware"),
    ("VirtualBox", "VirtualBox"),
    ("Google Compute Engine", "Google Compute Engine"),
    ("Amazon EC2", "Amazon EC2"),
    ("Virtual Machine", "Hyper-V"),
    ("Xen", "Xen"),
    ("KVM", "KVM"),
    ("QEMU", "QEMU"),
];

impl Host {
    /// What the facts mean together, such as `virtual machine (OpenStack instance), container (docker)`.
    pub fn summary(&self) -> String {
        let mut parts = Vec::new();
        let (maker, is_virtual) = (self.maker(), self.has(VIRTUAL));
        if is_virtual || maker.is_some() {
            let mut of = Vec::new();
            if self.has(&["openstack", "config-drive"]) {
                of.push("OpenStack instance");
            } else {
                of.extend(maker);
            }
            if self.has(&["kata"]) {
                of.push("Kata Containers");
            }
            parts.push(named("virtual machine", &of));
        }
        for kind in ["container", "job"] {
            let all = self.facts.iter().filter(|fact| fact.kind == kind);
            let mut values: Vec<&str> = all.map(|fact| fact.value.as_str()).collect();
            values.sort_unstable();
            values.dedup();
            if !values.is_empty() {
                parts.push(named(kind, &values));
            }
        }
        if parts.is_empty() {
            "no sign of a virtual machine or a container".to_owned()
        } else {
            parts.join(", ")
        }
    }

    fn has(&self, kinds: &[&str]) -> bool {
        self.facts.iter().any(|fact| kinds.contains(&fact.kind.as_str()))
    }

    /// The hypervisor or cloud of the virtual machine, by its firmware. A cloud's bare metal carries the cloud's name too,
    /// so that a cloud's name alone is no sign of a virtual machine.
    fn maker(&self) -> Option<&'static str> {
        let clouds = ["Google Compute Engine", "Amazon EC2"];
        let firmware = |name: &str| {
            self.facts
                .iter()
                .any(|fact| fact.kind.starts_with("dmi-") && fact.value.contains(name))
        };
        MAKERS
            .iter()
            .find(|(name, maker)| firmware(name) && (!clouds.contains(maker) || self.has(VIRTUAL)))
            .map(|(_, maker)| *maker)
    }
}

fn named(what: &str, which: &[&str]) -> String {
    if which.is_empty() {
        what.to_owned()
    } else {
        format!("{what} ({})", which.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::Fact;
    use super::*;

    fn summary(facts: &[(&str, &str)]) -> String {
        let mut host = Host::read(Path::new("/nowhere"));
        host.facts = facts
            .iter()
            .map(|(kind, value)| Fact::new(*kind, *value, "a file"))
            .collect();
        host.summary()
    }

    #[test]
    fn several_can_hold_at_once() {
        let openstack = [
            ("hypervisor-flag", "present"),
            ("dmi-vendor", "OpenStack Foundation"),
            ("openstack", "OpenStack Nova"),
            ("container", "docker"),
            ("container", "kubernetes"),
            ("container", "docker"),
            ("job", "slurm"),
        ];
        assert_eq!(
            summary(&openstack),
            "virtual machine (OpenStack instance), container (docker, kubernetes), job (slurm)"
        );
        assert_eq!(
            summary(&[("kata", "kataShared"), ("container", "kubernetes")]),
            "virtual machine (Kata Containers), container (kubernetes)"
        );
    }

    #[test]
    fn firmware_names_who_made_it() {
        assert_eq!(
            summary(&[("hypervisor-flag", "present"), ("dmi-vendor", "QEMU")]),
            "virtual machine (QEMU)"
        );
        assert_eq!(
            summary(&[("dmi-product", "VMware Virtual Platform")]),
            "virtual machine (VMware)"
        );
        assert_eq!(summary(&[("hypervisor-flag", "present")]), "virtual machine");
        // A metal instance of a cloud: its name, and no hypervisor.
        let none = "no sign of a virtual machine or a container";
        assert_eq!(summary(&[("dmi-vendor", "Amazon EC2")]), none);
        assert_eq!(summary(&[("dmi-vendor", "Dell Inc.")]), none);
    }
}
