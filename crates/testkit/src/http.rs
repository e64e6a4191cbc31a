//! A client of HTTP/1.1, plain enough to say what no browser would say, and to say nothing.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status; 0 if the server closed the connection without a word.
    pub status: u16,
    /// Its first line and its headers.
    pub head: String,
    /// What follows them, as it was on the wire.
    pub body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Answer {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer {
            status: status.unwrap_or_default(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }

    /// Asserts the status, showing the answer where it is another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Sends these bytes and reads all that comes until the server closes the connection.
pub async fn said(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    // A server may refuse before it was told all.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Answer::read(&answer)
}

/// A request without a body.
pub fn request(method: &str, address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> String {
    let mut request = format!("{method} {path} HTTP/1.1\r\n");
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Host")) {
        request.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request + "\r\n"
}

/// Gets a page.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    get_with(address, path, &[]).await
}

/// The same, with headers.
pub async fn get_with(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Answer {
    said(address, request("GET", address, path, headers).as_bytes()).await
}

/// A page whose answer comes bit by bit.
pub struct Stream {
    stream: TcpStream,
    heard: String,
}

impl Stream {
    /// Asks for a page.
    pub async fn open(address: SocketAddr, path: &str) -> Stream {
        let mut stream = TcpStream::connect(address).await.expect("it listens");
        let request = request("GET", address, path, &[]);
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it takes a request");
        Stream {
            stream,
            heard: String::new(),
        }
    }

    /// All that was heard, once these words are in it, or the server has closed the connection.
    pub async fn until(&mut self, words: &str) -> &str {
        let mut bytes = [0; 4096];
        while !self.heard.contains(words) {
            match self.stream.read(&mut bytes).await {
                Ok(0) | Err(_) => break,
                Ok(count) => self.heard.push_str(&String::from_utf8_lossy(&bytes[..count])),
            }
        }
        &self.heard
    }

    /// Forgets what was heard.
    pub fn forget(&mut self) {
        self.heard.clear();
    }

    /// All that comes until the server closes the connection.
    pub async fn to_the_end(mut self) -> String {
        let mut bytes = Vec::new();
        let _ = self.stream.read_to_end(&mut bytes).await;
        self.heard + &String::from_utf8_lossy(&bytes)
    }
}
