//! What an hour of a machine costs, from the file that `facebench size --prices` names.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// Prices of machines by name.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// The currency; empty if it is not given.
    #[serde(default)]
    pub currency: String,
    /// The price of an hour, by a machine's name or label; a `*` at the end matches any rest.
    #[serde(default)]
    pub price: BTreeMap<String, f64>,
}

/// Why a text is no list of prices.
#[derive(Debug, Error)]
pub enum PricesError {
    /// Not of the right form.
    #[error(
        "{reason}; write prices an hour like: currency = \"EUR\", then a table [price] with lines cpu = 0.40"
    )]
    Form {
        /// Where it breaks.
        reason: String,
    },
    /// A price below 0, or no number.
    #[error("price of \"{name}\": {price} is no price an hour; give a number, 0 or more")]
    Price {
        /// Whose.
        name: String,
        /// The value in the file.
        price: f64,
    },
}

impl Prices {
    /// The prices in `text`, a TOML file.
    pub fn parse(text: &str) -> Result<Self, PricesError> {
        let prices: Self = toml::from_str(text).map_err(|error| PricesError::Form {
            reason: error.to_string().trim_end().to_owned(),
        })?;
        let wrong = prices
            .price
            .iter()
            .find(|(_, price)| !price.is_finite() || **price < 0.0);
        match wrong {
            Some((name, price)) => Err(PricesError::Price {
                name: name.clone(),
                price: *price,
            }),
            None => Ok(prices),
        }
    }

    /// The price of an hour of a machine: under its name, else its label, else the longest pattern that matches.
    pub fn of(&self, name: &str, label: &str) -> Option<f64> {
        let exact = self.price.get(name).or_else(|| self.price.get(label));
        let pattern = || {
            let fitting = self.price.iter().filter(|(key, _)| matches(key, name, label));
            fitting.max_by_key(|(key, _)| key.len()).map(|(_, price)| price)
        };
        exact.or_else(pattern).copied()
    }

    /// The names in the file that match none of `machines`, which are pairs of name and label.
    pub fn unused<'a>(&'a self, machines: &[(&str, &str)]) -> Vec<&'a str> {
        let used = |key: &str| {
            let mut pairs = machines.iter();
            pairs.any(|(name, label)| key == *name || key == *label || matches(key, name, label))
        };
        let keys = self.price.keys().map(String::as_str);
        keys.filter(|key| !used(key)).collect()
    }
}

fn matches(key: &str, name: &str, label: &str) -> bool {
    key.strip_suffix('*')
        .is_some_and(|start| name.starts_with(start) || label.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_has_the_price() {
        let text = "currency = \"EUR\"\n[price]\ncpu = 0.4\n\"cuda*\" = 2\n\"cuda:0,p*\" = 3\n\"cpu (metal)\" = 0.6\n";
        let prices = Prices::parse(text).unwrap();
        let of = |name, label| prices.of(name, label).map(|price| (price * 10.0).round() as u64);
        assert_eq!(of("cpu (metal)", "cpu"), Some(6));
        assert_eq!(of("cpu (cloud)", "cpu"), Some(4));
        assert_eq!(of("cuda:1", "cuda:1"), Some(20));
        assert_eq!(of("cuda:0,precision=fp16", "cuda:0,precision=fp16"), Some(30));
        assert_eq!(of("tract", "tract"), None);
        assert_eq!(
            prices.unused(&[("cpu", "cpu"), ("cuda", "cuda")]),
            ["cpu (metal)", "cuda:0,p*"]
        );
    }

    #[test]
    fn what_is_no_price_is_an_error() {
        for (text, word) in [
            ("[price]\ncpu = -1", "0 or more"),
            ("[price]\ncpu = nan", "0 or more"),
            ("[price]\ncpu = \"much\"", "write prices"),
            ("[prices]\ncpu = 1", "write prices"),
        ] {
            let error = Prices::parse(text).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
    }
}
