//! The modes of a server and of its databases.

/// The role of a database in its availability group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Readable and writable.
    Primary,
    /// Readable only: `Updateability` is `READ_ONLY` and every write fails with 3906.
    ReadableSecondary,
}

/// Whether readers wait for writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LockMode {
    /// Readers see the last commit and never wait, as with READ_COMMITTED_SNAPSHOT.
    #[default]
    Versioned,
    /// Readers wait for the writers of the same table, as a server without row versioning does.
    Strict,
}
