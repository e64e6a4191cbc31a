//! A server that takes notices, and answers each as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use testkit::middle::Identity;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// By this status.
    Status(u16),
    /// By the way to another place.
    Elsewhere(String),
    /// Never.
    Never,
}

/// A request that came.
#[derive(Debug, Clone)]
pub struct Heard {
    /// The first line and the headers.
    pub head: String,
    /// The text after them.
    pub body: String,
}

impl Heard {
    /// The path of the request, with its query.
    pub fn path(&self) -> &str {
        self.head.split(' ').nth(1).expect("a path")
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A server that takes notices.
pub struct Receiver {
    /// The port that it listens on, at 127.0.0.1.
    pub port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    count: watch::Receiver<usize>,
}

impl Receiver {
    /// Answers requests by these, and each further one by status 200.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Receiver::on(listener, None, answers)
    }

    /// The same by TLS.
    pub async fn by_tls(identity: &Identity) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        Receiver::on(listener, Some(TlsAcceptor::from(identity.tls())), [])
    }

    /// The same on a port that is taken already.
    pub fn on(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Receiver {
        let port = listener.local_addr().expect("it is bound").port();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<Answer>>> = Arc::new(Mutex::new(answers.into_iter().collect()));
        let (counting, count) = watch::channel(0);
        let into = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (into, answers) = (Arc::clone(&into), Arc::clone(&answers));
                let (tls, counting) = (tls.clone(), counting.clone());
                tokio::spawn(async move {
                    let served = |request| {
                        let mut heard = into.lock().unwrap_or_else(PoisonError::into_inner);
                        heard.push(request);
                        counting.send_replace(heard.len());
                        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
                        answers.pop_front().unwrap_or(Answer::Status(200))
                    };
                    match tls {
                        None => serve(stream, served).await,
                        // A client that does not trust it hangs up.
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(stream, served).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Receiver { port, heard, count }
    }

    /// Where it is.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// All requests so far.
    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes all requests so far.
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until so many requests are there.
    pub async fn wait(&self, count: usize) {
        let mut counted = self.count.clone();
        counted
            .wait_for(|heard| *heard >= count)
            .await
            .expect("it listens");
    }
}

async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    served: impl FnOnce(Heard) -> Answer,
) -> Option<()> {
    let mut text = Vec::new();
    let (head, length) = loop {
        text.push(stream.read_u8().await.ok()?);
        if text.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text).into_owned();
            let length = head.to_lowercase().split_once("content-length: ")?.1.to_owned();
            break (head, length.split('\r').next()?.parse().ok()?);
        }
    };
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8_lossy(&body).into_owned();
    let answer = match served(Heard { head, body }) {
        Answer::Status(status) => format!("HTTP/1.1 {status} X\r\ncontent-length: 2\r\n\r\nOK"),
        Answer::Elsewhere(url) => format!("HTTP/1.1 307 X\r\nlocation: {url}\r\ncontent-length: 0\r\n\r\n"),
        Answer::Never => return std::future::pending().await,
    };
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}
