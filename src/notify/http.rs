//! Posts a notice to a URL, over TLS by the roots that the system trusts. No redirect is followed, so what is secret in a request
//! goes to no other host; and no error has the URL or its host.

use std::sync::OnceLock;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as Unanswered};
use hyper_util::rt::TokioExecutor;

use super::view::{Kind, Notice};
use crate::base::error::{Error, ErrorKind, Result};
use crate::base::secret::Secret;
use crate::config::{NoticeEvent, NoticeFormat, Notify};

/// What a server reads of the program.
const AGENT: &str = concat!("sync/", env!("CARGO_PKG_VERSION"));

/// What connects to a URL.
enum Connections {
    /// Without TLS; the system need have no roots.
    Open(Client<HttpConnector, Full<Bytes>>),
    /// By TLS alone.
    Tls(Client<HttpsConnector<HttpConnector>, Full<Bytes>>),
}

impl Connections {
    fn to(uri: &Uri) -> Result<Connections> {
        // Notices are hours apart: no connection is kept for the next one.
        let mut client = Client::builder(TokioExecutor::new());
        client.pool_max_idle_per_host(0);
        if uri.scheme_str() != Some("https") {
            return Ok(Connections::Open(client.build(HttpConnector::new())));
        }
        let roots = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(|error| {
                let text = "The system has no root certificates that the URL of [notify] could be checked by";
                Error::new(ErrorKind::Config, text).with_source(error)
            })?;
        Ok(Connections::Tls(
            client.build(roots.https_only().enable_http1().build()),
        ))
    }

    /// The status of the answer.
    async fn request(&self, request: Request<Full<Bytes>>) -> Result<StatusCode, Unanswered> {
        let answer = match self {
            Connections::Open(client) => client.request(request).await,
            Connections::Tls(client) => client.request(request).await,
        };
        answer.map(|answer| answer.status())
    }
}

/// A URL that notices are posted to.
pub(super) struct Post {
    url: Secret,
    authorization: Option<Secret>,
    format: NoticeFormat,
    /// Made for the first notice: to read the system's roots takes a moment.
    connections: OnceLock<Connections>,
}

impl Post {
    pub(super) fn new(settings: Notify) -> Option<Post> {
        Some(Post {
            url: settings.url?,
            authorization: settings.authorization,
            format: settings.format,
            connections: OnceLock::new(),
        })
    }

    /// Posts a notice once. The answer is its status; nothing more of it is read.
    ///
    /// # Errors
    /// `Connection` if another attempt may succeed, `Config` if it would not.
    pub(super) async fn send(&self, notice: &Notice) -> Result<()> {
        let uri = self.uri(notice)?;
        let host = uri.host().unwrap_or_default().to_owned();
        let connections = self.connections(&uri)?;
        let request = self.request(uri, notice)?;
        let status = connections.request(request).await.map_err(|error| {
            let text = format!("The URL of [notify] cannot be reached: {}", causes(&error, &host));
            Error::new(ErrorKind::Connection, text)
        })?;
        judged(status)
    }

    fn request(&self, uri: Uri, notice: &Notice) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::post(uri)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, AGENT);
        if let Some(secret) = &self.authorization {
            let mut value = HeaderValue::from_str(secret.expose()).map_err(|_| unfit())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        request
            .body(Full::new(Bytes::from(notice.body.clone())))
            .map_err(|_| unfit())
    }

    /// The address for a notice. For a ping service the end of its path says what happened, and `rid` which start and end belong
    /// together.
    fn uri(&self, notice: &Notice) -> Result<Uri> {
        let uri: Uri = self.url.expose().parse().map_err(|_| unfit())?;
        if self.format == NoticeFormat::Json {
            return Ok(uri);
        }
        let end = match (notice.event, notice.exit_code) {
            (Kind::Event(NoticeEvent::Start), _) => "/start".to_owned(),
            (Kind::Event(NoticeEvent::Waiting) | Kind::Test, _) => "/log".to_owned(),
            (Kind::Event(NoticeEvent::Success), _) => String::new(),
            (Kind::Event(_), Some(code)) => format!("/{code}"),
            (Kind::Event(_), None) => "/fail".to_owned(),
        };
        let path = uri.path().trim_end_matches('/');
        let rid = uuid::Uuid::from_u128(notice.run_id);
        let query = match uri.query() {
            Some(query) => format!("{query}&rid={rid}"),
            None => format!("rid={rid}"),
        };
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(format!("{path}{end}?{query}").parse().map_err(|_| unfit())?);
        Uri::from_parts(parts).map_err(|_| unfit())
    }

    fn connections(&self, uri: &Uri) -> Result<&Connections> {
        if let Some(connections) = self.connections.get() {
            return Ok(connections);
        }
        let connections = Connections::to(uri)?;
        Ok(self.connections.get_or_init(|| connections))
    }
}

/// What a status means for a notice.
fn judged(status: StatusCode) -> Result<()> {
    let code = status.as_u16();
    let (kind, text) = match status {
        _ if status.is_success() => return Ok(()),
        _ if status.is_redirection() => (
            ErrorKind::Config,
            format!(
                "The URL of [notify] leads elsewhere (status {code}), and is not followed; set `url` to where it leads"
            ),
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => (
            ErrorKind::Connection,
            format!("The URL of [notify] answers with status {code}"),
        ),
        _ if status.is_server_error() => (
            ErrorKind::Connection,
            format!("The URL of [notify] answers with status {code}"),
        ),
        _ => (
            ErrorKind::Config,
            format!(
                "The URL of [notify] refuses notices with status {code}; check `url`, `authorization` and `format`"
            ),
        ),
    };
    Err(Error::new(kind, text))
}

/// The causes of an error in one line, without the host.
fn causes(error: &dyn std::error::Error, host: &str) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    match host {
        "" => text,
        host => text.replace(host, "HOST"),
    }
}

/// Loading the configuration has checked it.
fn unfit() -> Error {
    Error::new(ErrorKind::Internal, "The URL of [notify] makes no request")
}
