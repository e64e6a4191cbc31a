//! What a server shows of its state, and a test sets: its waits, and the availability group that it is part of.

/// What the dynamic management views show beyond what the emulator knows itself. By default nothing was waited for, and the
/// server is part of no availability group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signs {
    /// The rows of `sys.dm_os_wait_stats`: the type of a wait, the number of such waits since the server started, and the time
    /// that they took in milliseconds.
    pub waits: Vec<(String, i64, i64)>,
    /// The availability group of the databases that have a role of one; `None` for a server without one.
    pub group: Option<GroupSigns>,
    /// Whether the databases are standbys of log shipping (`is_in_standby`).
    pub standby: bool,
    /// The database of which all others are snapshots (`source_database_id`).
    pub snapshot_of: Option<i32>,
}

/// An availability group, as the server that hosts a replica of it sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSigns {
    /// Its name.
    pub name: String,
    /// Whether the replica commits synchronously.
    pub synchronous: bool,
    /// `synchronization_state`: 0 not synchronizing, 1 synchronizing, 2 synchronized.
    pub state: u8,
    /// Whether data movement is suspended.
    pub suspended: bool,
    /// `secondary_lag_seconds`.
    pub lag_seconds: Option<i64>,
    /// `redo_queue_size`, in KB.
    pub redo_queue: Option<i64>,
    /// `log_send_queue_size`, in KB.
    pub send_queue: Option<i64>,
    /// How many seconds ago the last log block was received.
    pub received_seconds_ago: Option<i64>,
}

impl Default for GroupSigns {
    fn default() -> Self {
        GroupSigns {
            name: "AG".to_owned(),
            synchronous: false,
            state: 1,
            suspended: false,
            lag_seconds: Some(0),
            redo_queue: Some(0),
            send_queue: Some(0),
            received_seconds_ago: Some(0),
        }
    }
}
