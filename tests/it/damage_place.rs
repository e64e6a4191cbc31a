//! A sound state file in a place that does not let the program at it: no permission, no room on the disk.
#![cfg(unix)]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};

use mssql_sync::base::error::ErrorKind;
use mssql_sync::checkpoint::{Change, Reader, Replacement, Store};
use testkit::{Ended, Project, Server, job, program};

/// The commands, and whether each writes the state file.
const COMMANDS: &[(&[&str], bool)] = &[
    (
        &["run", "--start-date", job::FIRST, "--end-date", job::LAST],
        true,
    ),
    (&["forget", "--table", "SALES"], true),
    (&["rebuild"], true),
    (&["status"], false),
    (&["status", "--json"], false),
    (&["counts"], false),
];

/// The user that is nobody, where the tests run as root, whom permissions do not bind.
const NOBODY: u32 = 65_534;

/// The program as a user that permissions bind.
struct User<'a> {
    project: &'a Project,
    program: PathBuf,
    /// Whom it runs as, where that is not who runs the tests.
    id: Option<u32>,
}

impl User<'_> {
    /// `None`, and it is said, where there is no such user.
    async fn of<'a>(project: &'a Project, test: &str) -> Option<User<'a>> {
        let directory = project.home.directory();
        let mut user = User {
            project,
            program: program::path(),
            id: None,
        };
        let owner = std::fs::metadata(directory).expect("the project is there").uid();
        if owner == 0 {
            user.program = directory.join("sync");
            // A child that had the copy open for writing would keep it from being run.
            let _quiet = program::none_starts();
            std::fs::copy(program::path(), &user.program).expect("the program is copied");
            user.id = Some(NOBODY);
            for path in all(directory) {
                if let Err(error) = chown(&path, Some(NOBODY), Some(NOBODY)) {
                    eprintln!("{test}: skipped, files cannot be given to another user: {error}");
                    return None;
                }
            }
        }
        // What cannot be run there, for whatever reason, is no fault of the program.
        let mut command = project.command(&user.program);
        command.arg("--version");
        let ended = match program::start(user.named(&mut command)) {
            Ok(child) => Ended::of(child).await,
            Err(error) => {
                eprintln!("{test}: skipped, the program cannot be started as another user: {error}");
                return None;
            }
        };
        if ended.code() != 0 {
            eprintln!("{test}: skipped, the program does not run as another user: {ended:?}");
            return None;
        }
        Some(user)
    }

    fn named<'c>(&self, command: &'c mut tokio::process::Command) -> &'c mut tokio::process::Command {
        match self.id {
            Some(id) => command.uid(id).gid(id),
            None => command,
        }
    }

    async fn sync(&self, arguments: &[&str]) -> Ended {
        let mut command = self.project.command(&self.program);
        command.args(arguments);
        let child = program::start(self.named(&mut command)).expect("sync starts");
        Ended::of(child).await
    }
}

/// A directory and all that is in it.
fn all(directory: &Path) -> Vec<PathBuf> {
    let mut paths = vec![directory.to_owned()];
    let mut next = 0;
    while let Some(path) = paths.get(next) {
        if path.is_dir() {
            let entries = std::fs::read_dir(path).expect("a directory");
            paths.extend(
                entries
                    .map(|entry| entry.expect("an entry").path())
                    .collect::<Vec<_>>(),
            );
        }
        next += 1;
    }
    paths
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("the mode is set");
}

/// Who may do what, and what is to come of it.
struct Case {
    name: &'static str,
    directory: u32,
    file: u32,
    /// Whether who only reads the store succeeds.
    readable: bool,
    /// Whether a rebuild does: it needs the directory, and of the old file only its name.
    rebuilds: bool,
}

const CASES: &[Case] = &[
    Case {
        name: "a file of no permission",
        directory: 0o700,
        file: 0o000,
        readable: false,
        rebuilds: true,
    },
    Case {
        name: "a directory of no permission",
        directory: 0o000,
        file: 0o600,
        readable: false,
        rebuilds: false,
    },
    Case {
        name: "a file and a directory that can be read only",
        directory: 0o500,
        file: 0o400,
        readable: true,
        rebuilds: false,
    },
];

#[tokio::test(flavor = "multi_thread")]
async fn no_permission() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let Some(user) = User::of(&project, "no_permission").await else {
        return;
    };
    let state = project.state();
    let directory = state.parent().expect("it is in a directory").to_owned();
    let sound = std::fs::read(&state).expect("it is there");
    let (status, target) = (project.status().await, job::target(&server).await);
    for case in CASES {
        for (command, writes) in COMMANDS {
            let rebuild = *command == ["rebuild"];
            set_mode(&state, case.file);
            set_mode(&directory, case.directory);
            let mark = server.mark();
            let ended = user.sync(command).await;
            set_mode(&directory, 0o700);
            let place = format!("{}, sync {}: {ended:?}", case.name, command.join(" "));
            let kept = if rebuild && case.rebuilds {
                assert_eq!(ended.code(), 0, "{place}");
                project.asides().pop().expect("the old file is kept")
            } else if !writes && case.readable {
                assert_eq!(ended.code(), 0, "{place}");
                state.clone()
            } else {
                assert_eq!(ended.code(), 6, "{place}");
                assert!(ended.stdout.is_empty(), "{place}");
                for word in ["checkpoints.redb", "see to "] {
                    assert!(ended.stderr.contains(word), "does not say {word}; {place}");
                }
                assert!(
                    !ended.stderr.contains("damaged"),
                    "what cannot be opened is not called damaged; {place}"
                );
                assert_eq!(server.statements(mark), 0, "{place}");
                state.clone()
            };
            set_mode(&kept, 0o600);
            let now = std::fs::read(&kept).expect("it is there");
            assert!(now == sound, "the file was written to; {place}");
            assert!(!writes || rebuild || ended.code() != 0, "it was written; {place}");
            if rebuild && case.rebuilds {
                let rebuilt = user.sync(&["status", "--json"]).await.expect(0).json();
                assert_eq!(rebuilt["totals"], status["totals"], "{place}");
                std::fs::rename(&kept, &state).expect("the old file is put back");
            }
        }
    }
    assert!(job::target(&server).await == target, "the target has changed");
    let mark = server.mark();
    user.sync(COMMANDS[0].0).await.expect(0);
    server.assert_no_table_read(mark, &job::SOURCES);
}

/// Runs `sync` where a file may take no byte after the first `kilobytes` of 1,024, as on a full disk.
async fn with_room_for(kilobytes: u64, project: &Project, arguments: &[&str]) -> Ended {
    let mut command = project.command("bash");
    // Without the trap the first write past the limit would be the end of the process.
    let script = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$@\"");
    command
        .args(["-c", &script, "bash"])
        .arg(program::path())
        .args(arguments);
    Ended::of(program::start(&mut command).expect("bash starts")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_room_at_all() {
    let server = Server::start().await;
    let project = job::finished(&server).await;
    let sound = std::fs::read(project.state()).expect("it is there");
    let (status, target) = (project.status().await, job::target(&server).await);
    for (command, writes) in COMMANDS {
        let mark = server.mark();
        let ended = with_room_for(0, &project, command).await;
        let place = format!("full disk, sync {}: {ended:?}", command.join(" "));
        let now = std::fs::read(project.state()).expect("it is there");
        assert!(now == sound, "the file was written to; {place}");
        assert!(project.asides().is_empty(), "{place}");
        if *writes {
            assert_eq!(ended.code(), 6, "{place}");
            for word in ["checkpoints.redb", "cannot be ", "disk"] {
                assert!(ended.stderr.contains(word), "does not say {word}; {place}");
            }
            assert_eq!(server.statements(mark), 0, "{place}");
        } else {
            assert_eq!(ended.code(), 0, "{place}");
        }
        assert_eq!(project.status().await, status, "{place}");
    }
    assert!(job::target(&server).await == target, "the target has changed");
    let mark = server.mark();
    job::run(&project).await.expect(0);
    server.assert_no_table_read(mark, &job::SOURCES);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_room_for_a_new_store() {
    let server = Server::start().await;
    job::fill(&server).await;
    let project = job::project(&server);
    let run = COMMANDS[0].0;
    let ended = with_room_for(8, &project, run).await.expect(6);
    assert!(
        ended
            .stderr
            .contains("checkpoints.redb cannot be written, because a file cannot be that large"),
        "{}",
        ended.stderr
    );
    assert!(!project.state().exists(), "there is a whole store, or none");
    project.sync(run).await.expect(0);
    job::assert_equal(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_disk_fills_up_while_a_run_is_going() {
    // A store is made within the first of these, and all of the job's chunks need more than the last.
    for kilobytes in [120, 160, 200] {
        let server = Server::start().await;
        job::fill(&server).await;
        let project = job::project(&server);
        let small = ["--chunk-rows", "1"];
        let run = [COMMANDS[0].0, &small].concat();
        let ended = with_room_for(kilobytes, &project, &run).await;
        let place = format!("room for {kilobytes} KiB: {ended:?}");
        assert_eq!(ended.code(), 6, "{place}");
        for word in ["checkpoints.redb cannot be written, because", "use another disk"] {
            assert!(ended.stderr.contains(word), "does not say {word}; {place}");
        }
        let size = std::fs::metadata(project.state()).expect("it is there").len();
        assert!(size <= kilobytes * 1024, "the limit did not hold; {place}");
        let receipts = server.receipts().await.len();
        assert!(receipts > 0, "it failed before there was anything; {place}");

        // What was recorded is there, and at most what each of the two workers had just committed is not.
        let status = project.status().await;
        let verified = status["totals"]["verified"].as_u64().expect("a number") as usize;
        assert!(
            verified <= receipts && receipts <= verified + 2,
            "{verified} of {receipts}; {place}"
        );
        let mark = server.mark();
        project.sync(&run).await.expect(0);
        job::assert_equal(&server).await;
        // A row is a chunk here, and a read asks for one row more.
        let left = job::ALL_ROWS as usize - receipts;
        if server.has_log() {
            let read = server.rows_read(mark, &job::SOURCES);
            assert!(
                read as usize <= 2 * left,
                "{read} rows were read for {left}; {place}"
            );
        }
        let done = project.status().await;
        assert_eq!(done["totals"]["rows"], job::ALL_ROWS, "{place}");
        // The days after a window's last row may be a chunk of none.
        let chunks = done["totals"]["verified"].as_u64().expect("a number") as u32;
        assert!(
            (job::ALL_ROWS..=job::ALL_ROWS + 2).contains(&chunks),
            "{chunks}; {place}"
        );
    }
}

/// The locks of a store lie beside the store, by whatever link it is named.
#[test]
fn a_store_that_is_named_by_a_link_is_the_store_that_it_leads_to() {
    let directory = tempfile::tempdir().expect("a directory");
    let [place, link] = ["place/store.redb", "store.redb"].map(|name| directory.path().join(name));
    std::fs::create_dir(directory.path().join("place")).expect("a directory");
    let linked = |to: &Path, link: &Path| std::os::unix::fs::symlink(to, link).expect("a link");
    linked(Path::new("place/store.redb"), &link);
    // A link to nothing is where a store is made.
    assert!(Reader::open(&link).expect("a place").is_none());
    let store = Store::create_or_open(&link).expect("a store");
    let change = Change::Unfollowed {
        table: "T".to_owned(),
        rows: 5,
    };
    store.commit(&[change]).expect("it is written");
    for other in [&link, &place] {
        let error = Store::create_or_open(other).expect_err("it is open");
        assert_eq!(error.kind(), ErrorKind::Busy);
        let error = Replacement::begin(other).expect_err("it is open");
        assert_eq!(error.kind(), ErrorKind::Busy);
        let reader = Reader::open(other).expect("a whole store").expect("a store");
        assert!(reader.is_being_written());
    }
    drop(store);
    let now = "2025-10-01T00:00:00Z".parse().expect("a time");
    let new = Replacement::begin(&link).expect("a place");
    let aside = new.place(now).expect("it is placed").expect("an old file");
    assert_eq!(aside.parent(), place.parent());
    assert!(aside.is_file() && !aside.is_symlink() && link.is_symlink());
    let rows = |path: &Path| {
        let reader = Reader::open(path).expect("a whole store").expect("a store");
        let view = reader.view().expect("a view");
        view.unfollowed("T").expect("a number")
    };
    assert_eq!((rows(&aside), rows(&link), rows(&place)), (5, 0, 0));
    // Links that lead to each other lead to no store.
    let [one, two] = ["one", "two"].map(|name| directory.path().join(name));
    linked(&two, &one);
    linked(&one, &two);
    let error = Store::create_or_open(&one).expect_err("no store");
    assert!(error.to_string().contains("leads to no end"), "{error}");
}
