//! PRELOGIN: the client's options before its login, the server's answer, and the choice of TLS.
//!
//! Only the version and the encryption have an effect. MARS is always refused, and every instance name is accepted.

use bytes::{BufMut, BytesMut};

use crate::wire::protocol::SERVER_VERSION;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD_ID: u8 = 3;
const MARS: u8 = 4;
const FED_AUTH_REQUIRED: u8 = 6;
const TERMINATOR: u8 = 0xFF;

const ENCRYPT_OFF: u8 = 0;
const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;
const ENCRYPT_REQUIRED: u8 = 3;

/// Whether the server speaks TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsMode {
    /// No TLS. A client that insists on it leaves.
    Off,
    /// TLS if the client asks for it, and for the login of a client that leaves the choice to the server.
    #[default]
    Offered,
    /// Always TLS. A client without it is refused.
    Required,
}

/// The encryption of the connection after PRELOGIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Nothing.
    None,
    /// TLS for the LOGIN7 message only.
    LoginOnly,
    /// TLS from here on.
    Full,
    /// The two sides cannot agree. The answer says so and the connection ends.
    Refused,
}

/// The parts of the client's PRELOGIN that the server uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prelogin {
    encryption: u8,
    asks_fed_auth: bool,
}

impl Prelogin {
    /// Reads the option table. `None` if it points outside the message.
    pub(crate) fn parse(message: &[u8]) -> Option<Prelogin> {
        let mut prelogin = Prelogin {
            encryption: ENCRYPT_NOT_SUPPORTED,
            asks_fed_auth: false,
        };
        let mut table = message;
        loop {
            let option = *table.first()?;
            if option == TERMINATOR {
                return Some(prelogin);
            }
            let entry = table.get(1..5)?;
            let at = usize::from(u16::from_be_bytes([entry[0], entry[1]]));
            let bytes = usize::from(u16::from_be_bytes([entry[2], entry[3]]));
            let data = message.get(at..at + bytes)?;
            match option {
                ENCRYPTION => prelogin.encryption = *data.first()?,
                FED_AUTH_REQUIRED => prelogin.asks_fed_auth = true,
                _ => {}
            }
            table = table.get(5..)?;
        }
    }

    /// Chooses the encryption and writes the server's answer.
    pub(crate) fn answer(self, mode: TlsMode, out: &mut BytesMut) -> Encryption {
        let (byte, encryption) = match (mode, self.encryption) {
            (TlsMode::Off, ENCRYPT_OFF | ENCRYPT_NOT_SUPPORTED) => (ENCRYPT_NOT_SUPPORTED, Encryption::None),
            (TlsMode::Off, _) => (ENCRYPT_NOT_SUPPORTED, Encryption::Refused),
            (TlsMode::Offered, ENCRYPT_NOT_SUPPORTED) => (ENCRYPT_NOT_SUPPORTED, Encryption::None),
            (TlsMode::Offered, ENCRYPT_OFF) => (ENCRYPT_OFF, Encryption::LoginOnly),
            (TlsMode::Required, ENCRYPT_NOT_SUPPORTED) => (ENCRYPT_REQUIRED, Encryption::Refused),
            (TlsMode::Required, ENCRYPT_OFF) => (ENCRYPT_REQUIRED, Encryption::Full),
            (TlsMode::Offered | TlsMode::Required, _) => (ENCRYPT_ON, Encryption::Full),
        };
        let [major, minor, build_high, build_low] = SERVER_VERSION;
        let mut options: Vec<(u8, Vec<u8>)> = vec![
            (VERSION, vec![major, minor, build_high, build_low, 0, 0]),
            (ENCRYPTION, vec![byte]),
            (INSTANCE, vec![0]),
            (THREAD_ID, vec![]),
            (MARS, vec![0]),
        ];
        if self.asks_fed_auth {
            options.push((FED_AUTH_REQUIRED, vec![0]));
        }
        let mut at = options.len() * 5 + 1;
        for (option, data) in &options {
            out.put_u8(*option);
            out.put_u16(at as u16);
            out.put_u16(data.len() as u16);
            at += data.len();
        }
        out.put_u8(TERMINATOR);
        for (_, data) in &options {
            out.put_slice(data);
        }
        encryption
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(encryption: u8) -> Prelogin {
        let mut message = vec![VERSION, 0, 11, 0, 6, ENCRYPTION, 0, 17, 0, 1, TERMINATOR];
        message.extend([1, 2, 3, 4, 5, 6, encryption]);
        Prelogin::parse(&message).unwrap()
    }

    #[test]
    fn every_pair_of_wishes_is_settled() {
        let table = [
            (
                TlsMode::Off,
                [
                    Encryption::None,
                    Encryption::Refused,
                    Encryption::None,
                    Encryption::Refused,
                ],
            ),
            (
                TlsMode::Offered,
                [
                    Encryption::LoginOnly,
                    Encryption::Full,
                    Encryption::None,
                    Encryption::Full,
                ],
            ),
            (
                TlsMode::Required,
                [
                    Encryption::Full,
                    Encryption::Full,
                    Encryption::Refused,
                    Encryption::Full,
                ],
            ),
        ];
        for (mode, expected) in table {
            for (client, expected) in (0u8..4).zip(expected) {
                let mut out = BytesMut::new();
                assert_eq!(asks(client).answer(mode, &mut out), expected, "{mode:?} {client}");
                let answer = Prelogin::parse(&out).unwrap();
                let encrypts = matches!(answer.encryption, ENCRYPT_ON | ENCRYPT_REQUIRED);
                assert_eq!(
                    encrypts,
                    expected == Encryption::Full || (mode, client) == (TlsMode::Required, 2)
                );
            }
        }
    }

    #[test]
    fn an_option_outside_the_message_is_refused() {
        assert_eq!(Prelogin::parse(&[ENCRYPTION, 0, 6, 0, 1, TERMINATOR]), None);
        assert_eq!(Prelogin::parse(&[ENCRYPTION, 0]), None);
        assert_eq!(Prelogin::parse(&[]), None);
    }
}
