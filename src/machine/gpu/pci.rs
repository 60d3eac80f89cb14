//! GPUs as the PCI bus shows them, which needs no driver: their makers, the drivers that hold them, whether they are vGPUs.

use super::super::{Reading, tree::Tree};

const DEVICES: &str = "/sys/bus/pci/devices";
const NVIDIA: &str = "0x10de";

/// Other makers of GPUs, none of which a backend can use yet. Makers of plain console devices are left out.
const OTHERS: &[(&str, &str)] = &[("0x1002", "AMD"), ("0x8086", "Intel")];

/// One display device of the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PciGpu {
    /// Domain, bus, device and function, such as `0000:17:00.0`.
    pub(super) address: String,
    /// The product's number, such as `0x20b5`.
    pub(super) device_id: String,
    /// The memory domain that it belongs to.
    pub(super) numa_node: Reading<usize>,
    /// The kernel driver that holds it, such as `nvidia`, `nouveau` or `vfio-pci`.
    pub(super) driver: Option<String>,
    /// For a vGPU, the driver of its host; the reason where it is not known whether it is a vGPU.
    pub(super) vgpu: Reading<Option<HostDriver>>,
}

/// The version of the host's driver, such as `580.95.02`; `None` where the device does not carry it.
pub(super) type HostDriver = Option<String>;

/// NVIDIA's GPUs, and one line each for those of other makers. The reason where there is no such bus.
pub(super) fn gpus(tree: &Tree) -> Reading<(Vec<PciGpu>, Vec<String>)> {
    let (mut own, mut others) = (Vec::new(), Vec::new());
    for address in tree.names(DEVICES)? {
        let folder = format!("{DEVICES}/{address}");
        let text = |file: &str| tree.text(&format!("{folder}/{file}")).unwrap_or_default();
        // Class 0x03 is a display controller, with or without a screen.
        if !text("class").starts_with("0x03") {
            continue;
        }
        let (vendor, device_id) = (text("vendor"), text("device"));
        if vendor == NVIDIA {
            own.push(PciGpu {
                numa_node: numa_node(tree, &address),
                driver: tree.link_name(&format!("{folder}/driver")),
                vgpu: tree
                    .bytes(&format!("{folder}/config"))
                    .and_then(|config| vgpu(&config)),
                address,
                device_id,
            });
        } else if let Some((_, maker)) = OTHERS.iter().find(|(number, _)| *number == vendor) {
            others.push(format!("{maker} GPU {device_id} at {address}"));
        }
    }
    Ok((own, others))
}

/// The memory domain of the device at `address`.
pub(super) fn numa_node(tree: &Tree, address: &str) -> Reading<usize> {
    let path = format!("{DEVICES}/{address}/numa_node");
    let text = tree.text(&path)?;
    // The kernel writes -1 where the firmware does not know.
    text.parse()
        .map_err(|_| format!("{path} holds `{text}`: the firmware does not report it"))
}

/// Whether the PCI configuration space is a vGPU's: NVIDIA's guests carry a vendor-specific capability (number 9) signed
/// `VF`, a list of records of which number 0 holds the host driver's version. The layout is the one that NVIDIA's
/// k8s-device-plugin reads (`internal/vgpu`).
pub(super) fn vgpu(config: &[u8]) -> Reading<Option<HostDriver>> {
    const STATUS: usize = 0x06;
    const HAS_LIST: u8 = 0x10;
    const LIST: usize = 0x34;
    const VENDOR_SPECIFIC: u8 = 0x09;
    let Some(config) = config.first_chunk::<256>() else {
        return Err("the PCI configuration space can be read in full by root only".to_owned());
    };
    if config[STATUS] & HAS_LIST == 0 {
        return Ok(None);
    }
    let mut at = usize::from(config[LIST]);
    // A valid list has fewer entries than this; a broken one may be circular.
    for _ in 0..48 {
        let Some(&[kind, next, length]) = config.get(at..at + 3).and_then(|entry| entry.first_chunk()) else {
            break;
        };
        if at == 0 || kind == 0xff {
            break;
        }
        if kind == VENDOR_SPECIFIC {
            let end = (at + usize::from(length)).min(config.len());
            let signed = config[at..end].get(3..5) == Some(b"VF");
            return Ok(signed.then(|| host_driver(&config[at + 5..end])));
        }
        at = usize::from(next);
    }
    Ok(None)
}

/// The first ten bytes of the record with number 0; a record is its number, its length with these two, its bytes.
fn host_driver(mut records: &[u8]) -> HostDriver {
    while let [number, length, rest @ ..] = records {
        if *number == 0 {
            let text = String::from_utf8_lossy(rest.get(..10)?);
            let version = text.trim_matches('\0');
            let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_graphic());
            return is_version.then(|| version.to_owned());
        }
        records = records
            .get(usize::from(*length)..)
            .filter(|rest| rest.len() < records.len())?;
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A configuration space with one vendor-specific capability of `body` behind another one.
    pub(crate) fn config(body: &[u8]) -> Vec<u8> {
        let mut config = vec![0; 256];
        config[6] = 0x10;
        config[0x34] = 0x68;
        config[0x68..0x6a].copy_from_slice(&[0x05, 0xb0]);
        config[0xb0..0xb3].copy_from_slice(&[0x09, 0x00, body.len() as u8 + 3]);
        config[0xb3..0xb3 + body.len()].copy_from_slice(body);
        config
    }

    /// A vGPU whose host has driver `version`, behind a record of another kind.
    pub(crate) fn vgpu_config(version: &str) -> Vec<u8> {
        let mut body = b"VF\x05\x04\xaa\xbb\x00\x16".to_vec();
        let mut text = version.as_bytes().to_vec();
        text.resize(20, 0);
        body.extend(text);
        config(&body)
    }

    #[test]
    fn a_vgpu_is_told_by_its_signature() {
        assert_eq!(
            vgpu(&vgpu_config("580.95.02")),
            Ok(Some(Some("580.95.02".into())))
        );
        assert_eq!(vgpu(&config(b"VF")), Ok(Some(None)));
        assert_eq!(
            vgpu(&config(b"VF\x00\x16460.16\0\0\0\0r460")),
            Ok(Some(Some("460.16".into())))
        );
    }

    #[test]
    fn anything_else_is_none() {
        assert_eq!(vgpu(&config(b"\x01\0\0\0\0")), Ok(None));
        assert_eq!(vgpu(&[0; 256]), Ok(None));
        assert!(vgpu(&[0; 64]).is_err());
    }

    #[test]
    fn broken_lists_and_records_end() {
        let mut circle = config(b"");
        circle[0xb0..0xb2].copy_from_slice(&[0x05, 0x68]);
        assert_eq!(vgpu(&circle), Ok(None));
        let mut outside = config(b"");
        outside[0x69] = 0xff;
        assert_eq!(vgpu(&outside), Ok(None));
        // A record of length 0 would be read for ever.
        assert_eq!(vgpu(&config(b"VF\x05\x00\xaa\xbb")), Ok(Some(None)));
        assert_eq!(vgpu(&config(b"VF\x00\x16460")), Ok(Some(None)));
        // Whatever else is in its place: it is shown on terminals.
        assert_eq!(vgpu(&config(b"VF\x00\x16\x1b[2J\0\0\0\0\0\0")), Ok(Some(None)));
        assert_eq!(
            vgpu(&config(b"VF\x00\x16\xff\xff\0\0\0\0\0\0\0\0")),
            Ok(Some(None))
        );
        let mut long = config(b"VF");
        long[0xb2] = 0xff;
        assert!(vgpu(&long).is_ok());
    }

    proptest::proptest! {
        #[test]
        fn no_configuration_space_makes_it_panic(config in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let _ = vgpu(&config);
        }
    }
}
