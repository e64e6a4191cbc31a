//! A man in the middle: a server that speaks TDS up to the login with a certificate of its own making, takes down the
//! password that it is sent, and then hangs up or sends the client on.

use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const PRELOGIN: u8 = 0x12;
const LOGIN7: u8 = 0x10;
const ENCRYPT_OFF: u8 = 0;
const ENCRYPT_ON: u8 = 1;
const ENCRYPT_NOT_SUPPORTED: u8 = 2;
const ENCRYPT_REQUIRED: u8 = 3;

/// An address that is no loopback address, and at which Unix systems reach this machine also without a network. What is
/// off this machine is tested by it.
#[cfg(unix)]
pub const ELSEWHERE: &str = "0.0.0.0";

/// A certificate that is its own issuer, with its key.
#[derive(Clone)]
pub struct Identity {
    config: Arc<ServerConfig>,
    /// The certificate, in DER.
    pub certificate: Vec<u8>,
}

impl Identity {
    /// Makes one for these names and addresses.
    pub fn of(names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS12])
            .expect("TLS 1.2")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("the key fits");
        Identity {
            config: Arc::new(config),
            certificate: certificate.to_vec(),
        }
    }

    /// What a server shows it by.
    pub fn tls(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }
}

/// What becomes of a client that has logged in.
#[derive(Clone)]
pub enum Then {
    /// The connection is closed.
    HangUp,
    /// The client is sent on to this host and port.
    Redirect(String, u16),
}

/// A password that a client has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The password.
    pub password: String,
    /// Whether it came by TLS.
    pub by_tls: bool,
}

/// A man in the middle who listens.
pub struct Middle {
    /// The port that he listens on, at 127.0.0.1.
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
}

impl Middle {
    /// Shows this certificate to who asks for TLS, or says that he speaks none if there is none.
    pub async fn start(identity: Option<&Identity>, then: Then) -> Middle {
        Middle::listen(identity, false, then).await
    }

    /// Shows this certificate, and asks also those for TLS who want none.
    pub async fn insisting(identity: &Identity) -> Middle {
        Middle::listen(Some(identity), true, Then::HangUp).await
    }

    async fn listen(identity: Option<&Identity>, insists: bool, then: Then) -> Middle {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let (identity, list) = (identity.cloned(), Arc::clone(&heard));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (identity, then, list) = (identity.clone(), then.clone(), Arc::clone(&list));
                tokio::spawn(async move {
                    // A client that leaves in the middle ends its connection and nothing else.
                    let _ = serve(stream, identity, insists, then, &list).await;
                });
            }
        });
        Middle { port, heard }
    }

    /// The passwords that he was sent so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    identity: Option<Identity>,
    insists: bool,
    then: Then,
    heard: &Mutex<Vec<Heard>>,
) -> std::io::Result<()> {
    let (_, prelogin) = read_packet(&mut stream).await?;
    let asked = encryption_of(&prelogin);
    let answer = match (asked, &identity) {
        (ENCRYPT_NOT_SUPPORTED, Some(_)) if insists => ENCRYPT_REQUIRED,
        (_, None) | (ENCRYPT_NOT_SUPPORTED, _) => ENCRYPT_NOT_SUPPORTED,
        (ENCRYPT_OFF, _) => ENCRYPT_OFF,
        _ => ENCRYPT_ON,
    };
    stream.write_all(&packet(4, &prelogin_answer(answer))).await?;
    let mut tls = None;
    let login = match identity.filter(|_| answer != ENCRYPT_NOT_SUPPORTED) {
        None => match read_packet(&mut stream).await? {
            (LOGIN7, login) => login,
            _ => return Ok(()),
        },
        Some(identity) => {
            let mut connection = ServerConnection::new(identity.config).map_err(std::io::Error::other)?;
            shake_hands(&mut stream, &mut connection).await?;
            let login = read_tls_packet(&mut stream, &mut connection).await?;
            tls = Some(connection);
            login
        }
    };
    let told = Heard {
        password: password_of(&login),
        by_tls: tls.is_some(),
    };
    heard.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    let Then::Redirect(host, port) = then else {
        return Ok(());
    };
    let answer = packet(4, &routing(&host, port));
    match tls.filter(|_| answer_is_encrypted(asked)) {
        None => stream.write_all(&answer).await?,
        Some(mut connection) => {
            connection.writer().write_all(&answer)?;
            let mut out = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut out)?;
            }
            stream.write_all(&out).await?;
        }
    }
    // Held open until the client leaves.
    let _ = stream.read(&mut [0]).await;
    Ok(())
}

/// A client that asked for no more than an encrypted login is answered in clear.
fn answer_is_encrypted(asked: u8) -> bool {
    asked != ENCRYPT_OFF
}

/// The handshake, whose records come and go in PRELOGIN packets.
async fn shake_hands(stream: &mut TcpStream, tls: &mut ServerConnection) -> std::io::Result<()> {
    while tls.is_handshaking() {
        let (_, records) = read_packet(stream).await?;
        let mut records = Cursor::new(records);
        while (records.position() as usize) < records.get_ref().len() {
            tls.read_tls(&mut records)?;
            tls.process_new_packets().map_err(std::io::Error::other)?;
        }
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out)?;
        }
        if !out.is_empty() {
            stream.write_all(&packet(PRELOGIN, &out)).await?;
        }
    }
    Ok(())
}

/// The payload of a packet that comes by TLS.
async fn read_tls_packet(stream: &mut TcpStream, tls: &mut ServerConnection) -> std::io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    loop {
        if let Some(header) = plain.first_chunk::<8>() {
            let bytes = usize::from(u16::from_be_bytes([header[2], header[3]]));
            if plain.len() >= bytes {
                return Ok(plain[8..bytes].to_vec());
            }
        }
        let mut records = vec![0; 4096];
        let read = stream.read(&mut records).await?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        tls.read_tls(&mut &records[..read])?;
        tls.process_new_packets().map_err(std::io::Error::other)?;
        let mut more = vec![0; 16 * 1024];
        match tls.reader().read(&mut more) {
            Ok(read) => plain.extend_from_slice(&more[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

async fn read_packet(stream: &mut TcpStream) -> std::io::Result<(u8, Vec<u8>)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let bytes = usize::from(u16::from_be_bytes([header[2], header[3]])).saturating_sub(8);
    let mut payload = vec![0; bytes];
    stream.read_exact(&mut payload).await?;
    Ok((header[0], payload))
}

/// What a client's PRELOGIN asks of encryption.
fn encryption_of(prelogin: &[u8]) -> u8 {
    let entry = prelogin.chunks(5).find(|entry| entry[0] == 1);
    let at = entry.map(|entry| usize::from(u16::from_be_bytes([entry[1], entry[2]])));
    at.and_then(|at| prelogin.get(at).copied())
        .unwrap_or(ENCRYPT_NOT_SUPPORTED)
}

/// The password of a LOGIN7.
fn password_of(login: &[u8]) -> String {
    let at = |place: usize| usize::from(u16::from_le_bytes([login[place], login[place + 1]]));
    let (start, units) = (at(44), at(46));
    let plain: Vec<u8> = login[start..start + 2 * units]
        .iter()
        .map(|byte| (byte ^ 0xA5).rotate_left(4))
        .collect();
    let units: Vec<u16> = plain
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

/// A PRELOGIN answer: version 16.0, and the encryption.
pub fn prelogin_answer(encryption: u8) -> Vec<u8> {
    let mut bytes = vec![0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff];
    bytes.extend_from_slice(&[16, 0, 0, 0, 0, 0, encryption]);
    bytes
}

/// A packet that is a whole message.
pub fn packet(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).expect("it fits into a packet");
    let [high, low] = length.to_be_bytes();
    let mut bytes = vec![kind, 1, high, low, 0, 0, 1, 0];
    bytes.extend_from_slice(payload);
    bytes
}

/// A DONE token.
pub fn done() -> Vec<u8> {
    let mut bytes = vec![0xfd];
    bytes.extend_from_slice(&[0; 12]);
    bytes
}

/// A text with its length in UTF-16 units before it.
pub fn us_varchar(text: &str) -> Vec<u8> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let length = u16::try_from(units.len()).expect("a short text");
    let mut bytes = length.to_le_bytes().to_vec();
    units
        .iter()
        .for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    bytes
}

/// The answer to a login that sends the client on to another server.
pub fn routing(host: &str, port: u16) -> Vec<u8> {
    let counted = |bytes: &[u8]| u16::try_from(bytes.len()).expect("a short token").to_le_bytes();
    let mut target = vec![0];
    target.extend_from_slice(&port.to_le_bytes());
    target.extend_from_slice(&us_varchar(host));
    let mut body = vec![20];
    body.extend_from_slice(&counted(&target));
    body.extend_from_slice(&target);
    body.extend_from_slice(&[0, 0]);
    let mut bytes = vec![0xe3];
    bytes.extend_from_slice(&counted(&body));
    bytes.extend_from_slice(&body);
    bytes.extend_from_slice(&done());
    bytes
}
