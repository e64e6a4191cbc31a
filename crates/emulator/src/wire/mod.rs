//! The wire: TDS 7.4 from the first PRELOGIN to the last DONE, and nothing of SQL.
//!
//! Reading order: [`packet`] frames bytes. [`prelogin`], [`tls`] and [`login`] bring a connection up. [`token`]
//! writes the server's answers, and [`request`] and [`rpc`] read the client's requests. [`bulk`] splits a bulk load
//! into rows while it arrives. [`answer`] is the sink that a session answers into, and [`conversation`] runs one
//! connection's requests on its own thread. A client that breaks the protocol loses its connection. It cannot make
//! the server buffer more than [`request::MESSAGE_BYTES_MAX`] or write outside its own session.

pub(crate) mod answer;
pub(crate) mod bulk;
pub(crate) mod conversation;
pub(crate) mod declaration;
pub(crate) mod extent;
pub(crate) mod link;
pub(crate) mod load;
pub(crate) mod login;
pub(crate) mod packet;
pub(crate) mod perform;
pub(crate) mod prelogin;
pub(crate) mod protocol;
pub(crate) mod quiet;
pub(crate) mod request;
pub(crate) mod rpc;
pub(crate) mod server;
pub(crate) mod tls;
pub(crate) mod token;

#[cfg(test)]
mod tests;
