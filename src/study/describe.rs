//! What a study writes into its record: what was measured, and the arms as far as they have come.

use super::{
    Prepared, Study,
    recorded_arm::{ArmFacts, ArmRun, PhotoFacts, Reference, recorded_arm},
};
use crate::{
    analysis::derive::derive_record,
    machine::Counters,
    model::{
        Family,
        network::{Feed, Network},
    },
    record::{NetworkFacts, NetworkFeed, Record},
};

/// Marks `record` as that of a study that did not come to its end, and what may not be quoted for that.
pub(crate) fn cut_short(record: &mut Record) {
    record.interrupted = true;
    derive_record(record);
}

/// How pixels were fed to `network`.
fn feed(network: &Network, family: Family) -> NetworkFeed {
    let Feed { settings, source } = network.feed(family);
    NetworkFeed {
        channels: settings.input.channels.to_string(),
        mean: settings.input.mean,
        divisor: settings.input.divisor,
        source: source.to_string(),
    }
}

impl Study {
    pub(crate) fn describe(&self, record: &mut Record, prepared: &Prepared, runs: &[ArmRun]) {
        let dataset = &mut record.workload.dataset;
        dataset.images = prepared.dataset.photos.len();
        dataset.bytes = prepared.dataset.bytes();
        dataset.preloaded = dataset.bytes <= self.preload_budget;
        record
            .host
            .unavailable
            .extend(Counters::current(&self.plan.core_list).unavailable());
        dataset.faces = prepared
            .reference
            .as_ref()
            .map(|answers| answers.photos.iter().map(|answer| answer.faces.len()).sum());
        record.workload.enrolled = prepared.gallery.len();
        let Some(networks) = &self.networks else { return };
        let mut by_name = prepared.dataset.clone();
        by_name.photos.sort_by(|a, b| a.name.cmp(&b.name));
        dataset.sha256 = Some(by_name.sha256());
        let loaded = runs
            .iter()
            .flat_map(|run| &run.ready)
            .find_map(|ready| ready.loaded.as_ref());
        let detector = &networks.detector;
        record.workload.detector = Some(NetworkFacts {
            name: detector.name.clone(),
            family: loaded.map(|loaded| loaded.detector_family.to_string()),
            sha256: detector.sha256.clone(),
            input: loaded.map(|loaded| loaded.canvas.into()),
            license: detector.license.clone(),
            score_threshold: loaded.map(|loaded| {
                detector
                    .settings(loaded.detector_family, networks.score)
                    .score_threshold
            }),
            feed: loaded.map(|loaded| feed(detector, loaded.detector_family)),
            embedding_output: None,
        });
        let recognizer = &networks.recognizer;
        record.workload.recognizer = Some(NetworkFacts {
            name: recognizer.name.clone(),
            family: loaded.map(|loaded| loaded.recognizer_family.to_string()),
            sha256: recognizer.sha256.clone(),
            input: loaded.map(|loaded| {
                let input = recognizer.settings(loaded.recognizer_family, None).input;
                [input.width as usize, input.height as usize]
            }),
            license: recognizer.license.clone(),
            score_threshold: None,
            feed: loaded.map(|loaded| feed(recognizer, loaded.recognizer_family)),
            embedding_output: loaded.and_then(|loaded| loaded.embedding_output.clone()),
        });
    }

    pub(crate) fn fill(&self, record: &mut Record, prepared: &Prepared, runs: &[ArmRun]) {
        let reference = prepared.reference.as_ref().map(|answers| Reference {
            label: &answers.label,
            answers: &answers.photos,
            is_fp32: answers.is_fp32,
        });
        let photos = PhotoFacts {
            strata: &prepared.strata_facts,
            reference: reference.as_ref(),
            truth: prepared.truth.as_deref(),
            people: prepared.people.as_deref(),
            bytes: prepared.dataset.bytes(),
        };
        record.arms = self
            .plan
            .arms
            .iter()
            .zip(&self.environments)
            .zip(runs)
            .zip(&self.prices)
            .map(|(((arm, environment), run), price)| {
                let facts = ArmFacts {
                    plan: &self.plan,
                    arm,
                    environment,
                    price: price.as_ref(),
                    reads: self.reads(arm, &prepared.dataset),
                };
                recorded_arm(&facts, run, &photos)
            })
            .collect();
        derive_record(record);
    }
}
