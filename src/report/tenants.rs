//! What a study of tenants comes to, in sentences.

use super::words::maybe;
use crate::record::{Company, Tenants};

/// How many tenants the device serves, for each kind of company; nothing where no least rate was asked for.
pub fn packing(tenants: &Tenants) -> Vec<String> {
    let Some(least) = tenants.least_rate else {
        return Vec::new();
    };
    let wanted = maybe(Some(least));
    let even = |company: &&Company| {
        company.neighbour.is_none() && company.tenants.iter().all(|label| *label == company.tenants[0])
    };
    let mut kinds: Vec<&str> = Vec::new();
    for company in tenants.companies.iter().filter(even) {
        if !kinds.contains(&company.tenants[0].as_str()) {
            kinds.push(&company.tenants[0]);
        }
    }
    kinds
        .into_iter()
        .map(|kind| {
            let of_kind = |company: &&Company| even(company) && company.tenants[0] == kind;
            let serve = |company: &&Company| slowest(company).is_some_and(|rate| rate >= least);
            let most = tenants
                .companies
                .iter()
                .filter(of_kind)
                .filter(serve)
                .max_by_key(|company| company.tenants.len());
            match most {
                Some(company) => {
                    let count = company.tenants.len();
                    let plural = if count == 1 { "" } else { "s" };
                    format!(
                        "this device serves {count} tenant{plural} of {kind} at {wanted} images/s or more each (of the numbers \
                         that were tried; by the lower end of the slowest one's interval)"
                    )
                }
                None => format!("this device serves not even one tenant of {kind} at {wanted} images/s"),
            }
        })
        .collect()
}

/// The lower end of the slowest tenant's images a second; its middle where there is no interval.
fn slowest(company: &Company) -> Option<f64> {
    let rates: Option<Vec<f64>> = company
        .each
        .iter()
        .map(|each| each.as_ref().map(|each| each.low.unwrap_or(each.median)))
        .collect();
    rates?.into_iter().reduce(f64::min)
}
