//! Damage to the state file, of every kind, met by every command: it is said, it is never taken for an empty file,
//! the file stays as it is, and `sync rebuild` gives back what was lost.

use testkit::{Project, Server, job};

/// What happened to the file.
struct Damage {
    name: &'static str,
    /// What is there instead of the sound bytes.
    make: fn(&[u8]) -> Vec<u8>,
    /// What a command says of it.
    says: &'static str,
}

const DAMAGES: &[Damage] = &[
    Damage {
        name: "emptied",
        make: |_| Vec::new(),
        says: "is empty",
    },
    Damage {
        name: "cut off after a byte",
        make: |sound| sound[..1].to_vec(),
        says: "is damaged",
    },
    Damage {
        name: "cut off after a page",
        make: |sound| sound[..4096].to_vec(),
        says: "is damaged",
    },
    Damage {
        name: "cut in half",
        make: |sound| sound[..sound.len() / 2].to_vec(),
        says: "is damaged",
    },
    Damage {
        name: "cut off before its last byte",
        make: |sound| sound[..sound.len() - 1].to_vec(),
        says: "is damaged",
    },
    Damage {
        name: "overwritten with text",
        make: |_| b"These are not the checkpoints that were here.\n".repeat(500),
        says: "is damaged",
    },
    Damage {
        name: "overwritten with zeros",
        make: |sound| vec![0; sound.len()],
        says: "is damaged",
    },
    Damage {
        name: "its first page overwritten with text",
        make: |sound| {
            let mut bytes = sound.to_vec();
            bytes[..4096].fill(b'x');
            bytes
        },
        says: "is damaged",
    },
    Damage {
        name: "replaced by another redb file",
        make: |_| redb_file(None),
        says: "no state file",
    },
    Damage {
        name: "replaced by a store of another version",
        make: |_| redb_file(Some(b"mssql-sync checkpoints 2")),
        says: "of another version",
    },
];

/// What is tried on a damaged file: all of it must end the same way.
const REFUSED: &[&[&str]] = &[
    &["run", "--start-date", job::FIRST, "--end-date", job::LAST],
    &["status"],
    &["status", "--json"],
    &["forget", "--table", "SALES"],
    &["forget", "--table", "SALES", "--month", "2025-10"],
    &["counts"],
];

/// A redb file that this program did not write; with `format`, one that looks like a store.
fn redb_file(format: Option<&[u8]>) -> Vec<u8> {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("file");
    let database = redb::Database::create(&path).expect("a redb file");
    if let Some(format) = format {
        let transaction = database.begin_write().expect("a transaction");
        let meta: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("meta");
        let mut table = transaction.open_table(meta).expect("a table");
        table.insert(&b"format"[..], format).expect("it is written");
        drop(table);
        transaction.commit().expect("it is durable");
    }
    drop(database);
    std::fs::read(path).expect("it is there")
}

/// A job whose state file is about to be damaged.
struct Job {
    server: Server,
    project: Project,
    finished: bool,
    /// The state file.
    sound: Vec<u8>,
    /// What `sync status --json` says of it.
    status: serde_json::Value,
    /// Rows, receipts and plans at the target.
    target: Vec<String>,
}

impl Job {
    async fn finished() -> Job {
        let server = Server::start().await;
        let project = job::finished(&server).await;
        Job::with(server, project, true).await
    }

    /// A job whose run was killed when one table and a part of the other were loaded.
    async fn killed(test: &str) -> Option<Job> {
        let server = Server::start_emulator(test).await?;
        job::fill(&server).await;
        let project = job::project(&server);
        job::kill_at_chunk(&server, &project, u64::from(2 * job::MONTH_CHUNKS + 3)).await;
        Some(Job::with(server, project, false).await)
    }

    async fn with(server: Server, project: Project, finished: bool) -> Job {
        let sound = std::fs::read(project.state()).expect("the state file is there");
        let job = Job {
            status: project.status().await,
            target: job::target(&server).await,
            sound,
            server,
            project,
            finished,
        };
        let chunks = if finished {
            job::ALL_CHUNKS
        } else {
            2 * job::MONTH_CHUNKS + 2
        };
        assert_eq!(job.status["totals"]["verified"], chunks);
        job
    }

    fn put(&self, bytes: &[u8]) {
        std::fs::write(self.project.state(), bytes).expect("the state file is written");
    }

    /// Asserts that every command refuses the file that is there, which holds `bytes`.
    async fn assert_refused(&self, damage: &str, bytes: &[u8], says: &[&str]) {
        let mark = self.server.mark();
        for command in REFUSED {
            let name = command.join(" ");
            let ended = self.project.sync(command).await;
            let place = format!("{damage}, sync {name}: {ended:?}");
            assert_eq!(ended.code(), 6, "{place}");
            assert!(ended.stdout.is_empty(), "{place}");
            for word in says.iter().chain(&["checkpoints.redb"]) {
                assert!(ended.stderr.contains(word), "does not say {word}; {place}");
            }
            let now = std::fs::read(self.project.state()).expect("it is there");
            assert!(now == bytes, "the file was written to; {place}");
            assert_eq!(self.beside(), ["lock", "opening"], "{place}");
        }
        assert_eq!(
            self.server.statements(mark),
            0,
            "{damage}: a server was asked before the state file was"
        );
    }

    /// The files beside the state file, by how their names end, but for the socket that a killed run leaves to the next one.
    fn beside(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.project.home.path("state")).expect("it is there");
        let names = entries.map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        });
        let mut suffixes: Vec<String> = names
            .filter_map(|name| name.strip_prefix("checkpoints.redb.").map(str::to_owned))
            .collect();
        suffixes.retain(|suffix| suffix != "sock");
        suffixes.sort_unstable();
        suffixes
    }

    /// Asserts that a rebuild keeps the file that is there, which holds `bytes`, and gives back what was lost.
    async fn assert_rebuilt(&self, damage: &str, bytes: &[u8]) {
        let mark = self.server.mark();
        let ended = self.project.sync(&["rebuild"]).await;
        let place = format!("{damage}, sync rebuild: {ended:?}");
        assert_eq!(ended.code(), 0, "{place}");
        let asides = self.project.asides();
        assert_eq!(asides.len(), 1, "{place}");
        let name = asides[0].file_name().expect("it has a name").to_string_lossy();
        assert!(
            ended.stderr.contains(&*name),
            "does not say where the old file is; {place}"
        );
        assert!(
            std::fs::read(&asides[0]).expect("it is there") == bytes,
            "the old file was written to; {place}"
        );
        std::fs::remove_file(&asides[0]).expect("it is removed");
        assert_eq!(self.beside(), ["lock", "opening"], "{place}");
        self.assert_known(&place).await;
        if self.finished {
            let again = job::run(&self.project).await;
            assert_eq!(again.code(), 0, "{damage}, the run after sync rebuild: {again:?}");
            assert!(
                again.stdout.contains("Everything is already loaded"),
                "{damage}: {again:?}"
            );
        }
        self.server.assert_no_table_read(mark, &job::SOURCES);
    }

    /// Asserts that the store that is there knows what is verified. A killed run's windows are not known as begun.
    async fn assert_known(&self, place: &str) {
        let status = self.project.status().await;
        for total in ["rows", "chunks", "verified", "failed", "mismatched", "stale"] {
            assert_eq!(
                status["totals"][total], self.status["totals"][total],
                "{total}; {place}"
            );
        }
        assert_eq!(windows(&status), windows(&self.status), "{place}");
    }

    async fn finish(self) {
        assert!(
            job::target(&self.server).await == self.target,
            "what is at the target has changed"
        );
        let mark = self.server.mark();
        self.put(&self.sound);
        job::run(&self.project).await.expect(0);
        job::assert_equal(&self.server).await;
        if !self.finished {
            let rows = 2 * job::MONTH_ROWS - 2 * job::CHUNK_ROWS;
            self.server.assert_rows_read(mark, "[SALES]", 0, 0);
            self.server
                .assert_rows_read(mark, "[PAYMENT]", rows, 2 * job::MONTH_CHUNKS - 2);
        }
    }
}

/// Every window with its table, its numbers, and whether it is complete.
fn windows(status: &serde_json::Value) -> Vec<String> {
    let tables = status["tables"].as_array().expect("tables");
    let windows = tables.iter().flat_map(|table| {
        let windows = table["windows"].as_array().expect("windows");
        windows.iter().map(|window| {
            format!(
                "{} {} {} {}: {} verified, {} rows, complete: {}",
                table["name"],
                window["window"],
                window["start"],
                window["end"],
                window["verified"],
                window["rows"],
                window["state"] == "complete"
            )
        })
    });
    windows.collect()
}

/// Puts every damage in the place of the job's state file, in turn.
async fn go_through(job: Job) {
    for damage in DAMAGES {
        let bytes = (damage.make)(&job.sound);
        assert!(bytes != job.sound, "{} is none", damage.name);
        job.put(&bytes);
        job.assert_refused(damage.name, &bytes, &[damage.says, "`sync rebuild`"])
            .await;
        job.assert_rebuilt(damage.name, &bytes).await;
    }
    job.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_finished_job() {
    go_through(Job::finished().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_to_a_killed_job() {
    if let Some(job) = Job::killed("damage_to_a_killed_job").await {
        go_through(job).await;
    }
}

/// Where bytes are flipped: in the headers closely, elsewhere by a prime step, which goes through all kinds of places.
fn places(length: usize) -> impl Iterator<Item = usize> {
    (0..320).step_by(16).chain((320..length).step_by(1_009))
}

/// Flips a byte at every place in turn; returns how often that was found.
async fn flip(job: &Job) -> usize {
    let mut found = 0;
    for place in places(job.sound.len()) {
        let mut bytes = job.sound.clone();
        bytes[place] ^= 0x40;
        job.put(&bytes);
        let name = format!("byte {place} of {} flipped", job.sound.len());
        let status = job.project.sync(&["status", "--json"]).await;
        if status.code() == 0 {
            assert_eq!(status.json(), job.status, "{name} changed what is read");
            let counts = job.project.sync(&["counts"]).await;
            // What was cut short in a month that is over is not done.
            let code = if job.finished { 0 } else { 4 };
            assert_eq!(counts.code(), code, "{name}, sync counts: {counts:?}");
            // A file that readers take is taken by writers.
            let forget = job.project.sync(&["forget", "--table", "NO_SUCH_TABLE"]).await;
            assert_eq!(forget.code(), 2, "{name}, sync forget: {forget:?}");
        } else {
            found += 1;
            job.assert_refused(&name, &bytes, &["is damaged", "`sync rebuild`"])
                .await;
            job.assert_rebuilt(&name, &bytes).await;
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_finished_job() {
    let job = Job::finished().await;
    let (found, all) = (flip(&job).await, places(job.sound.len()).count());
    eprintln!("{found} of {all} flipped bytes were found; the others do not matter");
    assert!(found > 10, "only {found} of {all} flipped bytes were found");
    job.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_byte_of_a_killed_job() {
    let Some(job) = Job::killed("a_flipped_byte_of_a_killed_job").await else {
        return;
    };
    let (found, all) = (flip(&job).await, places(job.sound.len()).count());
    eprintln!("{found} of {all} flipped bytes were found; the others do not matter");
    assert!(found > 10, "only {found} of {all} flipped bytes were found");
    job.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_in_the_place_of_the_file() {
    let job = Job::finished().await;
    let state = job.project.state();
    std::fs::remove_file(&state).expect("the state file is there");
    std::fs::create_dir(&state).expect("a directory in its place");
    std::fs::write(state.join("keep"), "this").expect("a file in it");
    for command in REFUSED.iter().chain(&[&["rebuild"][..]]) {
        let ended = job.project.sync(command).await;
        let place = format!("directory, sync {}: {ended:?}", command.join(" "));
        assert_eq!(ended.code(), 6, "{place}");
        assert!(
            ended
                .stderr
                .contains("checkpoints.redb is a directory; name a file with --state"),
            "{place}"
        );
        let kept = std::fs::read(state.join("keep")).expect("it is there");
        assert_eq!(kept, b"this", "{place}");
        assert_eq!(job.beside(), ["lock", "opening"], "{place}");
    }
    std::fs::remove_dir_all(&state).expect("the directory is removed");
    job.finish().await;
}
