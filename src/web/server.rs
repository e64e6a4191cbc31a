//! The pages by their addresses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use axum::extract::{Query, RawQuery, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::{Extensions, StatusCode};
use axum::response::sse::Sse;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use maud::Markup;
use serde::Deserialize;
use tokio::sync::Semaphore;

use super::filter::{Filter, Show};
use super::guard::{ALIVE, Guard, LIVEZ, guard, problem};
use super::live;
use super::looks::Looks;
use super::page;
use super::seen::Seen;
use crate::base::error::Result;
use crate::metrics;

/// Live streams at once.
const STREAMS_MAX: usize = 16;

/// The script of the live updates.
const SCRIPT: &str = include_str!("live.js");

/// How far a connection has come.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase(Arc<AtomicU8>);

impl Phase {
    const ASKED: u8 = 1;
    const LIVE: u8 = 2;

    /// Its request was read.
    pub(super) fn ask(&self) {
        self.0.fetch_max(Phase::ASKED, Ordering::Relaxed);
    }

    fn live(&self) {
        self.0.fetch_max(Phase::LIVE, Ordering::Relaxed);
    }

    pub(super) fn has_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Phase::ASKED
    }

    pub(super) fn is_live(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= Phase::LIVE
    }
}

/// What all answers share.
#[derive(Clone)]
struct Desk {
    looks: Arc<Looks>,
    streams: Arc<Semaphore>,
}

/// All addresses, behind the guard.
pub(super) fn router(looks: Arc<Looks>, at_the_door: Guard) -> Router {
    let desk = Desk {
        looks,
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    };
    Router::new()
        .route("/", get(index))
        .route("/window", get(window))
        .route(
            "/next",
            get(async |State(desk): State<Desk>| desk.page(page::next).await),
        )
        .route(
            "/runs",
            get(async |State(desk): State<Desk>| desk.page(page::runs).await),
        )
        .route("/reconcile", get(reconcile))
        .route("/events", get(events))
        .route("/metrics", get(scraped))
        .route("/readyz", get(readyz))
        .route(LIVEZ, get(async || ALIVE))
        .route(
            "/style.css",
            get(async |headers: HeaderMap| part(&headers, "text/css", page::STYLE)),
        )
        .route(
            "/live.js",
            get(async |headers: HeaderMap| part(&headers, "text/javascript", SCRIPT)),
        )
        .fallback(async || problem(StatusCode::NOT_FOUND, "There is no such page; begin again at /"))
        .with_state(desk)
        .layer(middleware::from_fn_with_state(Arc::new(at_the_door), guard))
}

impl Desk {
    /// A page of the present look.
    async fn page(&self, draw: impl FnOnce(&Seen) -> Markup + Send + 'static) -> Response {
        self.answer(move |_, seen| Ok(Some(draw(seen)))).await
    }

    /// A page that may need more of the state file than a look has; none if what it is about is not there.
    async fn answer(
        &self,
        draw: impl FnOnce(&Looks, &Seen) -> Result<Option<Markup>> + Send + 'static,
    ) -> Response {
        let drawn = self.looks.job(move |looks| match &*looks.seen() {
            Ok(seen) => draw(looks, seen).map_err(|error| error.chain()),
            Err(text) => Err(text.clone()),
        });
        match drawn.await {
            Ok(Ok(Some(page))) => page.into_response(),
            Ok(Ok(None)) => {
                let text = "The state file has no such table or window; begin again at /";
                problem(StatusCode::NOT_FOUND, text)
            }
            Ok(Err(text)) | Err(text) => problem(StatusCode::SERVICE_UNAVAILABLE, &text),
        }
    }
}

async fn index(State(desk): State<Desk>, RawQuery(query): RawQuery) -> Response {
    let filter = Filter::parse(&query.unwrap_or_default());
    desk.page(move |seen| page::index(seen, &filter)).await
}

/// The window that is opened.
#[derive(Deserialize)]
struct Opened {
    #[serde(default)]
    table: String,
    #[serde(default)]
    window: String,
    /// What the grid showed.
    #[serde(default)]
    show: String,
}

type BadQuery = axum::extract::rejection::QueryRejection;

async fn window(State(desk): State<Desk>, opened: std::result::Result<Query<Opened>, BadQuery>) -> Response {
    let Ok(Query(Opened { table, window, show })) = opened else {
        return problem(
            StatusCode::BAD_REQUEST,
            "The address names no window; begin again at /",
        );
    };
    let filter = Filter {
        show: Show::named(&show),
        table: None,
    };
    desk.answer(move |looks, seen| {
        let chunks = looks.chunks(seen, &table, &window)?;
        Ok(page::window(seen, &filter, &table, &window, &chunks))
    })
    .await
}

async fn reconcile(State(desk): State<Desk>) -> Response {
    desk.answer(|looks, seen| Ok(Some(page::findings(seen, &looks.differing()?))))
        .await
}

async fn events(
    State(desk): State<Desk>,
    Extension(phase): Extension<Phase>,
    RawQuery(query): RawQuery,
) -> Response {
    let Ok(permit) = Arc::clone(&desk.streams).try_acquire_owned() else {
        let text = format!("{STREAMS_MAX} pages are live already; close one, or reload this one by hand");
        return plain(StatusCode::SERVICE_UNAVAILABLE, text);
    };
    phase.live();
    let filter = Filter::parse(&query.unwrap_or_default());
    Sse::new(live::stream(desk.looks, filter, permit)).into_response()
}

async fn scraped(State(desk): State<Desk>) -> Response {
    let drawn = desk
        .looks
        .job(|looks| looks.metrics().map_err(|error| error.chain()));
    match drawn.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Ok(Err(text)) | Err(text) => plain(StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

/// Ready is who can read the state file, or knows that there is none. Servers that are away change nothing.
async fn readyz(State(desk): State<Desk>) -> Response {
    let ready = desk.looks.job(|looks| match &*looks.seen() {
        Ok(_) => Ok(()),
        Err(text) => Err(text.clone()),
    });
    match ready.await {
        Ok(Ok(())) => plain(StatusCode::OK, "ready".to_owned()),
        Ok(Err(text)) | Err(text) => plain(StatusCode::SERVICE_UNAVAILABLE, text),
    }
}

/// An answer for a program.
fn plain(status: StatusCode, text: String) -> Response {
    (status, text + "\n").into_response()
}

/// A part of all pages, which the browser keeps and asks after.
fn part(asked: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..16]);
    let known = asked.get(header::IF_NONE_MATCH);
    let is_known = known.is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut answer = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => text.into_response(),
    };
    let headers = answer.headers_mut();
    let kind = HeaderValue::from_str(&format!("{kind}; charset=utf-8"));
    headers.insert(header::CONTENT_TYPE, kind.expect("it is a kind of text"));
    headers.insert(
        header::ETAG,
        HeaderValue::from_str(&tag).expect("it is of hexadecimal digits"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// What a request carries beside its own words.
pub(super) fn carry(extensions: &mut Extensions, phase: Phase, reached: super::guard::Reached) {
    extensions.insert(phase);
    extensions.insert(reached);
}
