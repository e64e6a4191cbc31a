//! The live page: what `sync status` shows, drawn for a browser. It reads the state file, asks no server, and changes nothing.
