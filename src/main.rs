//! The `sync` program: one command, and its exit code.

fn main() -> std::process::ExitCode {
    mssql_sync::cli::main()
}
