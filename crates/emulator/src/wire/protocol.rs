//! The version that the server announces and the error for a client that breaks the protocol.

use crate::types::SqlError;

/// The version that PRELOGIN and LOGINACK announce: SQL Server 2019 RTM, as `@@VERSION` has it.
pub(crate) const SERVER_VERSION: [u8; 4] = [15, 0, 0x07, 0xD0];

/// The error for a request that breaks the protocol (17805, "Invalid buffer received from client").
pub(crate) fn protocol_error(what: impl std::fmt::Display) -> SqlError {
    SqlError {
        number: 17805,
        state: 4,
        class: 20,
        message: format!("Invalid buffer received from client: {what}."),
        line: 1,
    }
}
