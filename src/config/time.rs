//! A span of time where `true` and `false` are answers, too.

use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::file::Switch;
pub(super) use crate::time::Span as Time;
use crate::time::SpanVisitor;

impl<'de> Deserialize<'de> for Switch<Time> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SwitchVisitor;
        impl Visitor<'_> for SwitchVisitor {
            type Value = Switch<Time>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("true, false, or ")?;
                SpanVisitor.expecting(f)
            }

            fn visit_bool<E: de::Error>(self, on: bool) -> Result<Self::Value, E> {
                Ok(if on { Switch::On } else { Switch::Off })
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                SpanVisitor.visit_str(text).map(Switch::As)
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Self::Value, E> {
                SpanVisitor.visit_i64(seconds).map(Switch::As)
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
                SpanVisitor.visit_f64(seconds).map(Switch::As)
            }
        }
        deserializer.deserialize_any(SwitchVisitor)
    }
}
