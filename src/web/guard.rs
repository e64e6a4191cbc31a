//! Who may read the page, and what each answer says to the browser.
//!
//! Only GET and HEAD are answered. A page on another site cannot read ours through a name of its own that leads here,
//! because the name that was asked for must be one of ours. With a token, a reader must know it; one that does not waits a
//! second for each guess, so that the connections bound the guesses.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use super::page;
use crate::base::clock::SharedClock;
use crate::config::Serve;

/// The path that tells that the process lives, and nothing else: it needs no token.
pub(super) const LIVEZ: &str = "/livez";

/// What it answers.
pub(super) const ALIVE: &str = "alive\n";

/// The longest address: the names of a table and a window, and a filter.
const URI_BYTES_MAX: usize = 2_048;

/// The wait of a wrong token.
const GUESS_WAIT: Duration = Duration::from_secs(1);

const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
];

/// The address by which a client reached this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reached(pub(super) SocketAddr);

/// Decides who may read.
pub(super) struct Guard {
    hosts: Vec<String>,
    /// A hash, as hashes are compared in constant time.
    token: Option<blake3::Hash>,
    clock: SharedClock,
}

impl Guard {
    pub(super) fn new(serve: &Serve, clock: SharedClock) -> Guard {
        let hash = |token: &crate::base::secret::Secret| blake3::hash(token.expose().as_bytes());
        Guard {
            hosts: serve.hosts.clone(),
            token: serve.token.as_ref().map(hash),
            clock,
        }
    }

    /// The answer to a request that is not heard; `None` for one that is.
    async fn refusal(&self, request: &Parts) -> Option<Response> {
        if !matches!(request.method, Method::GET | Method::HEAD) {
            let text = "This page is read only: it answers GET and HEAD. `sync pause`, `sync stop` and others control a run";
            let mut refusal = problem(StatusCode::METHOD_NOT_ALLOWED, text);
            let allowed = HeaderValue::from_static("GET, HEAD");
            refusal.headers_mut().insert(header::ALLOW, allowed);
            return Some(refusal);
        }
        let path = request.uri.path_and_query();
        if path.is_some_and(|path| path.as_str().len() > URI_BYTES_MAX) {
            let text = "The address is too long; begin again at /";
            return Some(problem(StatusCode::URI_TOO_LONG, text));
        }
        if !self.is_believed(request) {
            let text = "The page is not known by the name or address that it was asked for by. Use the one that `sync \
                        serve` prints, or add the name to `hosts` in [serve] of the configuration";
            return Some(problem(StatusCode::MISDIRECTED_REQUEST, text));
        }
        let token = self.token.as_ref()?;
        if request.uri.path() == LIVEZ {
            return None;
        }
        let said = request.headers.get(header::AUTHORIZATION);
        let guess = said.and_then(password);
        if guess
            .as_ref()
            .is_some_and(|guess| blake3::hash(guess.as_slice()) == *token)
        {
            return None;
        }
        if said.is_some() {
            self.clock.sleep(GUESS_WAIT).await;
        }
        let text = "This page needs the token that [serve] of the configuration names: as a password, with any user, or as \
                    `Authorization: Bearer`";
        let mut refusal = problem(StatusCode::UNAUTHORIZED, text);
        let asked = HeaderValue::from_static("Basic realm=\"sync\", charset=\"UTF-8\"");
        refusal.headers_mut().insert(header::WWW_AUTHENTICATE, asked);
        Some(refusal)
    }

    /// Whether a request was meant for this server: a name that somebody else leads here is not ours.
    fn is_believed(&self, request: &Parts) -> bool {
        let mut named = request.headers.get_all(header::HOST).iter();
        let (Some(named), None) = (named.next(), named.next()) else {
            return false;
        };
        let reached = request.extensions.get::<Reached>();
        let reached = reached.map(|Reached(address)| address.ip().to_canonical());
        let is_ours = |host: &str| self.is_ours(host, reached);
        let named = named.to_str().ok().and_then(host);
        // A whole address in the first line of a request is what counts, says RFC 9112.
        let whole = request.uri.authority().map(|authority| host(authority.as_str()));
        named.is_some_and(|host| is_ours(&host))
            && whole.is_none_or(|host| host.is_some_and(|host| is_ours(&host)))
    }

    fn is_ours(&self, host: &str, reached: Option<IpAddr>) -> bool {
        match host.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) => ip.is_loopback() || Some(ip) == reached || self.hosts.iter().any(|known| known == host),
            Err(_) => host == "localhost" || self.hosts.iter().any(|known| known == host),
        }
    }
}

/// The name of a host and its port, in lower case and without the port. The port says nothing: a tunnel may have another.
fn host(text: &str) -> Option<String> {
    let uri: Uri = format!("http://{text}/").parse().ok()?;
    let authority = uri.authority().filter(|authority| authority.as_str() == text)?;
    let host = authority.host();
    let host = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    (!text.contains('@')).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}

/// What a reader said to be the token: the password of `Basic`, whoever the user is, or what follows `Bearer`.
fn password(said: &HeaderValue) -> Option<Zeroizing<Vec<u8>>> {
    let (scheme, rest) = said.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim();
    if scheme.eq_ignore_ascii_case("Bearer") {
        return Some(Zeroizing::new(rest.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let pair = Zeroizing::new(BASE64.decode(rest.as_bytes()).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(Zeroizing::new(pair[colon + 1..].to_vec()))
}

/// Answers a request, or refuses it.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut answer = match guard.refusal(&parts).await {
        Some(refusal) => refusal,
        None => next.run(Request::from_parts(parts, body)).await,
    };
    harden(answer.headers_mut());
    answer
}

fn harden(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let no_store = HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(no_store);
}

/// A page that says why there is no other.
pub(super) fn problem(status: StatusCode, text: &str) -> Response {
    let mut answer = (status, page::problem(status.as_u16(), text)).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        // A page without a script comes back by itself, too.
        let again = HeaderValue::from_static("10");
        answer.headers_mut().insert(header::RETRY_AFTER, again.clone());
        answer.headers_mut().insert(header::REFRESH, again);
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_believed_without_their_port_and_case() {
        for (text, expected) in [
            ("localhost", Some("localhost")),
            ("LocalHost:8080", Some("localhost")),
            ("127.0.0.1:8080", Some("127.0.0.1")),
            ("[::1]:8080", Some("::1")),
            ("vm.example.:80", Some("vm.example")),
            ("evil.example/@localhost", None),
            ("evil@localhost", None),
            ("local host", None),
            ("", None),
        ] {
            assert_eq!(host(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_token_is_a_password_of_any_user_or_a_bearer() {
        let said = |text: &str| password(&HeaderValue::from_str(text).unwrap());
        let basic = |pair: &str| said(&format!("Basic {}", BASE64.encode(pair.as_bytes())));
        let known = |text: &str| Some(Zeroizing::new(text.as_bytes().to_vec()));
        assert_eq!(basic("anybody:to:ken"), known("to:ken"));
        assert_eq!(basic(":token"), known("token"));
        assert_eq!(said("bearer token"), known("token"));
        for text in ["Basic", "Basic !!!", "Digest x", "token", "Basic dG9rZW4="] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
