//! The section `[serve]` of a configuration: where the page is served, and who may read it.

use std::net::SocketAddr;

use super::section::{File, Section};
use super::values::Serve;
use crate::base::error::Result;
use crate::base::secret::Secret;

const SERVE_KEYS: &[&str] = &["listen", "token", "hosts"];

/// The length of the shortest token.
const TOKEN_BYTES_MIN: usize = 16;

pub(super) fn serve<'a>(file: &'a File<'a>, root: &Section<'a>) -> Result<Serve> {
    let mut serve = Serve::default();
    let Some(value) = root.value("serve") else {
        return Ok(serve);
    };
    let section = Section::open(file, "[serve]", value, SERVE_KEYS)?;
    if let Some(listen) = section.optional("listen")? {
        serve.listen = Some(listen.value.parse::<SocketAddr>().map_err(|_| {
            file.error(
                listen.at,
                "`listen` in [serve] must be an address and a port, as in \"127.0.0.1:8080\" or \"[::1]:8080\"",
            )
        })?);
    }
    if let Some(token) = section.optional("token")? {
        if token.value.len() < TOKEN_BYTES_MIN {
            let text = format!(
                "`token` in [serve] is shorter than {TOKEN_BYTES_MIN} bytes and could be guessed; write token = \
                 \"${{SERVE_TOKEN}}\" and give the variable 32 random characters"
            );
            return Err(file.error(token.at, text));
        }
        serve.token = Some(Secret::new(token.value));
    }
    for host in section
        .strings("hosts")?
        .map_or_else(Vec::new, |hosts| hosts.value)
    {
        let is_name = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        if !host.value.chars().all(is_name) && host.value.parse::<std::net::IpAddr>().is_err() {
            return Err(file.error(
                host.at,
                "A host of `hosts` in [serve] must be a name or an address without a port, as in \"vm.example\"",
            ));
        }
        serve.hosts.push(host.value.to_ascii_lowercase());
    }
    Ok(serve)
}
