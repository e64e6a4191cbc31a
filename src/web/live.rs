//! Live updates: the fragments of the grid that changed, as events that the browser receives while its page is seen.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::filter::Filter;
use super::looks::{Look, Looks};
use super::page;

/// The time between two looks.
const PERIOD: Duration = Duration::from_secs(1);

/// A stream that has nothing to tell says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The time of a stream. The browser opens the next one by itself; a reader that takes nothing is rid of thereby.
pub(super) const STREAM_TIME: Duration = Duration::from_secs(600);

/// A part of the page that has an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Fragment {
    id: String,
    html: String,
}

/// What a stream tells.
#[derive(Debug, PartialEq, Eq)]
enum Message {
    /// This element is another now.
    Fragment(Fragment),
    /// The page has other elements now.
    Reload,
    /// The state file cannot be read, and why.
    Problem(String),
    Heartbeat,
}

impl Message {
    fn event(self) -> Event {
        match self {
            Message::Fragment(fragment) => {
                let json = serde_json::to_string(&fragment).expect("two texts are JSON");
                Event::default().event("fragment").data(json)
            }
            Message::Reload => Event::default().event("again").data("the page has changed"),
            Message::Problem(text) => Event::default().event("problem").data(one_line(&text)),
            Message::Heartbeat => Event::default().comment("here"),
        }
    }
}

/// A text of an event has no line ends of its own.
fn one_line(text: &str) -> String {
    text.replace(['\r', '\n'], " ")
}

/// What a reader has, and what it is still to be told.
#[derive(Debug, Default)]
struct Told {
    /// The fragments by their ids and the hashes of their texts; none before the first look, and after a problem.
    has: Vec<(String, blake3::Hash)>,
    problem: Option<String>,
    waiting: VecDeque<Message>,
}

impl Told {
    fn take(&mut self, found: Result<Vec<Fragment>, String>) {
        let fragments = match found {
            Ok(fragments) => fragments,
            Err(text) => {
                self.has.clear();
                if self.problem.as_ref() != Some(&text) {
                    self.problem = Some(text.clone());
                    self.waiting.push_back(Message::Problem(text));
                }
                return;
            }
        };
        self.problem = None;
        let ids = |has: &[(String, blake3::Hash)]| has.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>();
        let hash = |fragment: &Fragment| (fragment.id.clone(), blake3::hash(fragment.html.as_bytes()));
        let has: Vec<_> = fragments.iter().map(hash).collect();
        let before = std::mem::replace(&mut self.has, has);
        if !before.is_empty() && ids(&before) != ids(&self.has) {
            self.waiting.push_back(Message::Reload);
            return;
        }
        for (fragment, has) in fragments.into_iter().zip(&self.has) {
            if !before.contains(has) {
                self.waiting.push_back(Message::Fragment(fragment));
            }
        }
    }
}

/// The events of one reader, until it goes away or its time is over.
pub(super) fn stream(
    looks: Arc<Looks>,
    filter: Filter,
    permit: OwnedSemaphorePermit,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let now = looks.clock.monotonic();
    let live = Live {
        looks,
        filter,
        begun: now,
        spoke: now,
        told: Told::default(),
        last: None,
        _permit: permit,
    };
    unfold(live, async |mut live| {
        let message = live.next().await?;
        Some((Ok(message.event()), live))
    })
}

struct Live {
    looks: Arc<Looks>,
    filter: Filter,
    begun: Duration,
    /// When it last said something.
    spoke: Duration,
    told: Told,
    /// The look that was drawn last.
    last: Option<Arc<Look>>,
    _permit: OwnedSemaphorePermit,
}

impl Live {
    async fn next(&mut self) -> Option<Message> {
        loop {
            let now = self.looks.clock.monotonic();
            if now.saturating_sub(self.begun) >= STREAM_TIME {
                return None;
            }
            if let Some(message) = self.told.waiting.pop_front() {
                self.spoke = now;
                return Some(message);
            }
            if now.saturating_sub(self.spoke) >= HEARTBEAT {
                self.spoke = now;
                return Some(Message::Heartbeat);
            }
            if self.last.is_some() {
                self.looks.clock.sleep(PERIOD).await;
            }
            let (filter, last) = (self.filter.clone(), self.last.clone());
            match self.looks.job(move |looks| draw(looks, &filter, last)).await {
                Ok((look, found)) => {
                    self.last = Some(look);
                    if let Some(found) = found {
                        self.told.take(found);
                    }
                }
                Err(text) => self.told.take(Err(text)),
            }
        }
    }
}

/// The fragments of the present look; none if they were drawn already.
type Drawn = (Arc<Look>, Option<Result<Vec<Fragment>, String>>);

fn draw(looks: &Looks, filter: &Filter, last: Option<Arc<Look>>) -> Drawn {
    let look = looks.seen();
    if last.is_some_and(|last| Arc::ptr_eq(&last, &look)) {
        return (look, None);
    }
    let fragments = match &*look {
        Ok(seen) => {
            let drawn = page::fragments(seen, filter).into_iter();
            Ok(drawn
                .map(|(id, html)| Fragment {
                    id,
                    html: html.into_string(),
                })
                .collect())
        }
        Err(text) => Err(text.clone()),
    };
    (look, Some(fragments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(texts: &[(&str, &str)]) -> Result<Vec<Fragment>, String> {
        let fragment = |(id, html): &(&str, &str)| Fragment {
            id: (*id).to_owned(),
            html: (*html).to_owned(),
        };
        Ok(texts.iter().map(fragment).collect())
    }

    fn told(told: &mut Told, found: Result<Vec<Fragment>, String>) -> Vec<Message> {
        told.take(found);
        told.waiting.drain(..).collect()
    }

    #[test]
    fn what_changed_is_told_and_nothing_else() {
        let mut reader = Told::default();
        let both = |b: &'static str| fragments(&[("a", "1"), ("b", b)]);
        // The page may be older than the stream.
        assert_eq!(told(&mut reader, both("1")).len(), 2);
        assert_eq!(told(&mut reader, both("1")), []);
        let only = fragments(&[("b", "2")]).unwrap().remove(0);
        assert_eq!(told(&mut reader, both("2")), [Message::Fragment(only)]);
        assert_eq!(
            told(&mut reader, fragments(&[("b", "2"), ("c", "1")])),
            [Message::Reload]
        );
    }

    #[test]
    fn a_problem_is_told_once_and_all_is_told_after_it() {
        let mut reader = Told::default();
        let good = || fragments(&[("a", "1")]);
        assert_eq!(told(&mut reader, good()).len(), 1);
        let bad = || Err("damaged".to_owned());
        assert_eq!(told(&mut reader, bad()), [Message::Problem("damaged".to_owned())]);
        assert_eq!(told(&mut reader, bad()), []);
        assert_eq!(told(&mut reader, good()).len(), 1);
        assert_eq!(told(&mut reader, bad()).len(), 1);
    }
}
