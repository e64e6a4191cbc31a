//! Notices: a server and a command receive each of them, and a run is none the worse for those who do not take them.

mod bounded;
mod received;
mod receiver;

use receiver::{Answer, Receiver};
