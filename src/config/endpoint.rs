//! The parts of a configuration that both of its ends have: how a server is reached, and names.

use std::path::PathBuf;

use super::section::{At, File, Section};
use super::server::{self, Server};
use crate::base::error::Result;
use crate::base::secret::Secret;
use crate::model::table::Identifier;
use crate::mssql::{Endpoint, application};

/// SQL Server's registered port.
const PORT_DEFAULT: u16 = 1433;

/// Keys for reaching a server, which have no meaning for the embedded one.
const ADDRESS_KEYS: &[&str] = &[
    "port",
    "user",
    "password",
    "encrypt",
    "trust_server_certificate",
    "ca_file",
    "redirect_hosts",
];

/// A section that must be there.
pub(super) fn section<'a>(
    file: &'a File<'a>,
    root: &Section<'a>,
    key: &str,
    name: &'static str,
    keys: &[&str],
) -> Result<Section<'a>> {
    let value = root
        .value(key)
        .ok_or_else(|| root.error(format_args!("There is no {name}; add the section")))?;
    Section::open(file, name, value, keys)
}

/// The address and login of an end, and whether it is embedded.
pub(super) fn endpoint(
    file: &File<'_>,
    section: &Section<'_>,
    label: &'static str,
) -> Result<(Endpoint, bool)> {
    let server = section.required("server", "HOST")?;
    let parsed = server::parse(&server.value)
        .map_err(|fault| file.error(server.at, format_args!("`server` {fault}")))?;
    let database = section.required("database", "NAME")?;
    let database = identifier(file, database)?.as_str().to_owned();
    let read_only_intent = label == "source";
    let Server::Address { host, instance, port } = parsed else {
        section.refuse(ADDRESS_KEYS, "has no meaning with server = \"embedded\"")?;
        let endpoint = Endpoint {
            host: "127.0.0.1".to_owned(),
            port: 0,
            instance: None,
            database,
            user: String::new(),
            password: Secret::new(""),
            encrypt: false,
            trust_server_certificate: false,
            ca_file: None,
            redirect_hosts: Vec::new(),
            application: application(None, ""),
            read_only_intent,
            label,
            receipt_key: None,
            profile: None,
            meter: None,
        };
        return Ok((endpoint, true));
    };
    let port = port_of(file, section, instance.as_deref(), port)?;
    let trust_server_certificate = section.boolean("trust_server_certificate")?.unwrap_or(false);
    if trust_server_certificate {
        section.refuse(
            &["ca_file"],
            "has no meaning with trust_server_certificate = true",
        )?;
    }
    let endpoint = Endpoint {
        host,
        port,
        instance,
        database,
        user: section.required("user", "NAME")?.value,
        password: section.secret("password", &format!("${{{}_PASSWORD}}", label.to_uppercase()))?,
        encrypt: section.boolean("encrypt")?.unwrap_or(true),
        trust_server_certificate,
        ca_file: section
            .optional("ca_file")?
            .map(|path| ca_file(file, path))
            .transpose()?,
        redirect_hosts: Vec::new(),
        application: application(None, ""),
        read_only_intent,
        label,
        receipt_key: None,
        profile: None,
        meter: None,
    };
    Ok((endpoint, false))
}

fn port_of(
    file: &File<'_>,
    section: &Section<'_>,
    instance: Option<&str>,
    in_server: Option<u16>,
) -> Result<u16> {
    let key = section.integer("port", 1..=65_535)?;
    match (key, in_server) {
        (Some(key), Some(_)) => Err(file.error(
            key.at,
            "`server` gives a port already; remove `port`, or the port in `server`",
        )),
        (Some(key), None) if instance.is_some() => {
            let text = "`server` names an instance, which has its own port; remove `port`, or the instance";
            Err(file.error(key.at, text))
        }
        (Some(key), None) => Ok(u16::try_from(key.value).expect("the range was checked")),
        (None, in_server) => Ok(in_server.unwrap_or(PORT_DEFAULT)),
    }
}

fn ca_file(file: &File<'_>, path: At<String>) -> Result<PathBuf> {
    let found = file.path.with_file_name(&path.value);
    if found.is_file() {
        Ok(found)
    } else {
        let text = format!(
            "`ca_file`: there is no file {}; give the PEM file's path, from this file's directory",
            found.display()
        );
        Err(file.error(path.at, text))
    }
}

/// A name of the server.
pub(super) fn identifier(file: &File<'_>, name: At<String>) -> Result<Identifier> {
    Identifier::new(name.value).map_err(|error| file.place(name.at, error))
}
