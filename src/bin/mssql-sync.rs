//! The `sync` program under a name that no other program of a Unix system has.

fn main() -> std::process::ExitCode {
    mssql_sync::cli::main()
}
