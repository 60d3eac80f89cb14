//! What a record must hold beyond its types: lists that belong together have the same length, and numbers of places lead
//! somewhere. Figures and reports rely on it, and a record may come from anywhere.

use super::Record;

impl Record {
    /// Where the record contradicts itself, with the key; `None` in every record that a study leaves.
    pub fn contradiction(&self) -> Option<String> {
        let tenants = self.tenants.as_ref()?;
        let run = tenants.coordination.as_ref();
        let machines = run.map_or(usize::MAX, |run| run.machines.len());
        if run.is_some_and(|run| run.machine_index.is_some_and(|own| own >= machines)) {
            return Some("tenants.coordination.machine_index: there is no such machine".to_owned());
        }
        for (place, group) in tenants.groups.iter().enumerate() {
            let at = |what: &str| Some(format!("tenants.groups[{place}].{what}"));
            if group.tenants.is_empty() {
                return at("tenants: is empty");
            }
            let mut named = group.machines.iter().chain(&group.background_load_machine);
            if named.any(|machine| *machine >= machines) {
                return at("machines: there is no such machine");
            }
            for (number, round) in group.rounds.iter().enumerate() {
                let before = round.before_load.as_ref();
                let same = round.tenants.len() == group.tenants.len()
                    && before.is_none_or(|before| before.images.len() == group.tenants.len());
                if !same {
                    return at(&format!(
                        "rounds[{number}].tenants: are not as many as the group's"
                    ));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CoordinatedRun, TenantGroup, Tenants};
    use super::*;

    #[test]
    fn groups_have_tenants_and_their_machines_are_there() {
        let text = include_str!("../../results/tenants.json");
        let value = super::super::to_current(serde_json::from_str(text).unwrap()).unwrap();
        let mut record: Record = serde_json::from_value(value).unwrap();
        assert_eq!(record.contradiction(), None);
        let mut change = |change: &dyn Fn(&mut Tenants)| {
            let kept = record.tenants.clone();
            change(record.tenants.as_mut().unwrap());
            let found = record.contradiction();
            record.tenants = kept;
            found.unwrap()
        };
        assert!(
            change(&|t| t.groups.push(TenantGroup::new(Vec::new(), None))).ends_with("tenants: is empty")
        );
        assert!(change(&|t| t.groups[0].rounds[0].tenants.clear()).contains("groups[0].rounds[0].tenants"));
        let run = CoordinatedRun {
            id: "x".to_owned(),
            machines: vec!["a".to_owned()],
            machine_index: Some(1),
        };
        assert!(change(&|t| t.coordination = Some(run.clone())).contains("machine_index"));
    }
}
