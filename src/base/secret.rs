//! A password in memory: the login code can use it, no printing code can show it, and the memory is overwritten when it
//! is dropped.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text. `Debug` and `Display` print `***`, so that no log, error or dump shows it. Its bytes are overwritten
/// with zeros when it is dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps the text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The text itself, for the login only.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Secret(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(
            format!("{secret} {secret:?} {:?}", Some(&secret)),
            "*** *** Some(***)"
        );
        assert_eq!(secret.expose(), "hunter2");
    }

    /// Only what overwrites itself can be passed.
    #[test]
    fn it_is_overwritten_when_it_is_dropped() {
        fn overwrites_itself<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        overwrites_itself(&Secret::new("hunter2").0);
    }
}
