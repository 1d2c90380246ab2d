//! The file as it is written: one struct for each table, every key optional, every value with the
//! bytes it came from. What is missing or contradictory is for [`super::check`] to say.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use toml::Spanned;

use super::time::Time;

type Text = Option<Spanned<String>>;
type Texts = Option<Vec<Spanned<String>>>;
type Whole = Option<Spanned<i64>>;
type Flag = Option<Spanned<bool>>;
type Span = Option<Spanned<Time>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "tables of keys")]
pub(super) struct File {
    pub control: Text,
    pub state_file: Text,
    pub serve: Option<Serve>,
    #[serde(default)]
    pub clock: Clock,
    pub local: Option<Local>,
    pub leap: Option<Leap>,
    #[serde(default)]
    pub source: Vec<Spanned<Source>>,
    #[serde(default)]
    pub server: Vec<Spanned<Server>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Serve {
    pub listen: Option<Spanned<Vec<Spanned<Listen>>>>,
    pub threads: Whole,
    pub clients: Whole,
    pub ipv6_prefix: Whole,
    pub allow: Texts,
    pub deny: Texts,
    pub ignore: Texts,
    pub others: Text,
    pub rate: Option<Switch<Rate>>,
    pub kiss_interval: Option<Switch<Time>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Rate {
    pub interval: Span,
    pub burst: Whole,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Clock {
    pub step: Text,
    pub step_threshold: Span,
    pub steps: Whole,
    pub slew_limit_ppm: Option<Spanned<f64>>,
    pub frequency_limit_ppm: Option<Spanned<f64>>,
    pub panic_forward: Span,
    pub panic_backward: Span,
    pub holdover_limit: Span,
    pub realtime_priority: Whole,
    pub lock_memory: Flag,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Local {
    pub stratum: Whole,
    pub uncertainty: Span,
    pub wait: Span,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Leap {
    pub file: Text,
    pub zone: Text,
    pub mode: Text,
}

/// An address alone, or with what is served there.
#[derive(Debug)]
pub(super) enum Listen {
    Address(String),
    As(ListenAs),
}

impl Listen {
    pub fn address(&self) -> &str {
        match self {
            Self::Address(address) => address,
            Self::As(listen) => listen.address.get_ref(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct ListenAs {
    pub address: Spanned<String>,
    pub smear: Text,
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListenVisitor;
        impl<'de> Visitor<'de> for ListenVisitor {
            type Value = Listen;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an address or { address = \"192.0.2.1\", smear = \"linear\" }")
            }

            fn visit_str<E: de::Error>(self, address: &str) -> Result<Self::Value, E> {
                Ok(Listen::Address(address.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                ListenAs::deserialize(MapAccessDeserializer::new(map)).map(Listen::As)
            }
        }
        deserializer.deserialize_any(ListenVisitor)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Source {
    pub name: Text,
    pub driver: Text,
    pub refid: Text,
    pub stratum: Whole,
    pub poll: Whole,
    pub prefer: Flag,
    pub noselect: Flag,
    /// chrony calls it `lock`.
    #[serde(alias = "lock")]
    pub text: Text,
    pub offset: Span,
    pub uncertainty: Span,
    pub precision: Span,
    pub noise: Span,
    pub grain: Span,
    pub grain_corrected: Span,
    pub distance_max: Span,
    pub device: Text,
    pub speed: Whole,
    pub path: Text,
    pub unit: Whole,
    pub permissions: Text,
    pub time_limit: Span,
    pub pulse: Flag,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a table of keys")]
pub(super) struct Server {
    pub address: Text,
    pub port: Whole,
    pub name: Text,
    pub iburst: Flag,
    pub burst: Flag,
    pub minpoll: Whole,
    pub maxpoll: Whole,
    pub prefer: Flag,
    pub noselect: Flag,
    pub trust: Flag,
    pub offset: Span,
    pub delay_max: Span,
    pub distance_max: Span,
    pub version: Whole,
    /// chrony calls it `xleave`.
    #[serde(alias = "xleave")]
    pub interleaved: Flag,
}

/// `false`, `true`, or how exactly.
#[derive(Debug)]
pub(super) enum Switch<T> {
    Off,
    On,
    As(T),
}

impl<'de> Deserialize<'de> for Switch<Rate> {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RateVisitor;
        impl<'de> Visitor<'de> for RateVisitor {
            type Value = Switch<Rate>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false or { interval = \"250ms\", burst = 16 }")
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on { Switch::On } else { Switch::Off })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Rate::deserialize(MapAccessDeserializer::new(map)).map(Switch::As)
            }
        }
        deserializer.deserialize_any(RateVisitor)
    }
}
