//! The table catalog of a database file: declared types, collations, keys, defaults and indexes.
