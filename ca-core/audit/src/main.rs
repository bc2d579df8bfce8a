//! Program `ca-audit`: see the library.

fn main() -> std::process::ExitCode {
    ca_audit::main()
}
