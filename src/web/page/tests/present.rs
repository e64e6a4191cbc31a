//! What goes on now, a window, the next run, the runs and the findings, as a person reads them.

use super::*;
use crate::base::stop::STOPPED;
use crate::checkpoint::Waiting;
use crate::status::Condition;

fn now_of(seen: &Seen) -> String {
    text_of(&now::now(seen))
}

#[test]
fn a_run_that_is_going() {
    insta::assert_snapshot!(now_of(&going()), @r"
    A run is going
    2024-06-01 to 2025-11-30, started 2025-11-20 20:00:00 as process 4711 on vm, for 1 h 00 min.
    table 1 of 2, SALES: 354 chunks so far, about 7,920,000 of 8,680,000 rows
    91%
    SALES takes about 4 min 02 s more at the rate of the last minute.
    Read 4,812 rows/s of at most 5,000
    Loaded 3,128 rows/s over the last minute
    Source connections 2 of 4 1 read under way
    Workers 2 of 4 by the governor
    Chunks 8,000 rows at most, of chunk_rows 20,000
    Pause 500 ms between two reads of a worker
    The source: 12 s behind its primary.
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00.
    Total: 9,240,000 rows verified, 420 of 442 chunks so far, 1 failed, 1 mismatched, 2 stale.
    ");
    insta::assert_snapshot!(text_of(&plot::plot(&going())), @r"
    Rows a second over the last hour
    5,000
    2,500
    0
    20:00
    20:30
    21:00
    read: 3,269 rows/s at the end, 4,899 at most
    loaded: 3,045 rows/s at the end, 4,798 at most
    ");
}

#[test]
fn a_run_that_waits_says_what_for_and_until_when() {
    let mut seen = going();
    seen.status.figures = Some(paused());
    assert!(now_of(&seen).contains(
        "Since 2025-11-20 20:03:00, paused: no further read of the source begins; sync resume ends it."
    ));
    seen.status.figures = None;
    seen.status.pace.held = Some(waits_for_hours());
    let text = now_of(&seen);
    assert!(
        text.contains("waiting until 22:00 Asia/Kuala_Lumpur for the source's hours"),
        "{text}"
    );
    assert!(text.contains("The run does not tell its figures"), "{text}");
    // What waits takes no time that a rate tells.
    assert!(!text.contains("takes about"), "{text}");
    let run = seen.status.run.as_mut().unwrap();
    run.waiting = Some(Waiting {
        since: at("2025-11-20T12:50:00Z"),
        next_try_at: at("2025-11-20T13:01:00Z"),
        error: "Nobody listens at h:1 for the target".to_owned(),
    });
    let text = now_of(&seen);
    assert!(
        text.contains("A server is away since 2025-11-20 20:50:00. The next try is at 2025-11-20 21:01:00."),
        "{text}"
    );
}

#[test]
fn a_run_that_ended_and_one_that_was_killed_have_the_command_that_resumes() {
    let mut seen = ended(going());
    insta::assert_snapshot!(now_of(&seen), @r"
    No run is going
    The last run (2024-06-01 to 2025-11-30) began 2025-11-20 20:00:00, ended 2025-11-20 20:40:00 after 40 min 00 s with exit code 4: incomplete: the same command again resumes it.
    1 table is refused
    Once the cause is corrected, the same command resumes it:
    sync run --start-date 2024-06-01 --end-date 2025-11-30 --tables SALES,PAYMENT
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00.
    Total: 9,240,000 rows verified, 420 of 442 chunks so far, 1 failed, 1 mismatched, 2 stale.
    ");
    let record = &mut seen.status.run.as_mut().unwrap().record;
    (record.ended_at, record.exit_code, record.error) = (None, None, None);
    let text = now_of(&seen);
    assert!(text.starts_with("The last run was killed"), "{text}");
    assert!(
        text.contains("sync run --start-date 2024-06-01 --end-date 2025-11-30 --tables SALES,PAYMENT"),
        "{text}"
    );
}

#[test]
fn a_run_that_a_person_stopped_is_no_failure() {
    let mut seen = ended(going());
    seen.status.run.as_mut().unwrap().record.error = Some(STOPPED.to_owned());
    for kept in &mut seen.runs {
        kept.record.error = kept.record.error.take().map(|_| STOPPED.to_owned());
    }
    let text = now_of(&seen);
    assert!(
        text.starts_with(
            "The last run was stopped\nThe run (2024-06-01 to 2025-11-30) that began 2025-11-20 20:00:00 was asked to stop, and \
             ended 2025-11-20 20:40:00 after 40 min 00 s with exit code 4.\nWhat it had verified stays. The same command \
             resumes it:\nsync run --start-date 2024-06-01"
        ),
        "{text}"
    );
    assert!(!now::now(&seen).0.contains("note bad"), "{text}");
    let runs = runs(&seen).0;
    assert!(
        runs.contains("<b>4</b> stopped") && !runs.contains("<b class=\"bad\">4"),
        "{runs}"
    );
}

#[test]
fn where_no_run_has_been_the_page_says_how_to_begin() {
    insta::assert_snapshot!(now_of(&nothing()), @r"
    No run has been here
    There is no state file. These commands check the servers, tell what a run would do, and begin:
    sync doctor
    sync plan --start-date DAY --end-date DAY
    sync run --start-date DAY --end-date DAY
    If a run has been here and its state file was lost, this makes it anew from what the target proves:
    sync rebuild
    Hours of the source: 22:00-07:00 and Sat,Sun 00:00-24:00 (Asia/Kuala_Lumpur): closed until 22:00.
    ");
}

#[test]
fn a_window_has_its_error_its_command_and_its_chunks() {
    let page = window(&going(), &Filter::default(), "SALES", "2024-09", &chunks()).unwrap();
    insta::assert_snapshot!(text_of(&page), @r"
    SALES 2024-09 · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    POS.COM_5013 on replica.example:1433 → Warehouse.pos on 127.0.0.1:1433
    Grid › SALES
    SALES 2024-09 X failed
    Covers 2024-09-01 to 2024-09-30
    Chunks verified 3 of 22 so far
    Rows 440,000 rows
    Bytes 83.92 MiB
    Mode monthly
    error 1105 of the target: the disk is full
    Correct that if it is still so, then run:
    sync run --start-date 2024-09-01 --end-date 2024-09-30 --tables SALES
    Chunks
    The first 6 of 22 chunks, and their sums.
    Chunks in the order of their keys; times in seconds
    Chunk State Rows Bytes Read, s Stage, s Load, s Attempts Committed Error
    0 ■ verified 20,000 3.81 MiB 1.25 0.31 0.94 1 2025-11-20 20:10:00
    1 ■ verified 20,000 3.81 MiB – – – 1 –
    2 ~ stale 20,000 3.81 MiB – – – 1 –
    3 X failed 20,000 3.81 MiB – – – 2 – The disk is full
    4 ≠ mismatched 20,000 3.81 MiB – – – 1 –
    5 ○ planned 20,000 3.81 MiB – – – 1 –
    Sum 2 verified 40,000 7.63 MiB 1.25 0.31 0.94 7
    ‹ Earlier: 2024-08 ■ complete
    Next: 2024-10 ■ complete ›
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
}

#[test]
fn each_window_says_what_comes_next() {
    let seen = going();
    let mut told = Vec::new();
    for part in crate::status::Line::of(&seen.status, &seen.status.tables[0]).parts() {
        let page = window(&seen, &Filter::default(), "SALES", &part.window.to_string(), &[]).unwrap();
        let text = text_of(&page);
        let words = [
            "verified.",
            "loads",
            "comes to it",
            "Run",
            "run:",
            "resumes",
            "Further runs",
        ];
        let line = text
            .lines()
            .skip(6)
            .find(|line| words.iter().any(|word| line.contains(word)));
        if part.state != Condition::Complete || told.is_empty() {
            told.push(format!("{}: {}", part.window, line.unwrap_or_default()));
        }
    }
    insta::assert_snapshot!(told.join("\n"), @r"
    2024-06: All of it is verified.
    2024-09: Correct that if it is still so, then run:
    2024-11: Run again, and it is not committed until it is equal:
    2025-02: Run:
    2025-04: The run that is going comes to it.
    2025-09: The run that is going loads it.
    2025-10: It is not finished. Any run of the table resumes it; this one is for it alone:
    2025-11: All that was old enough is verified. Further runs add what is to come.
    ");
    assert!(window(&seen, &Filter::default(), "SALES", "1999-01", &[]).is_none());
    assert!(window(&seen, &Filter::default(), "NOBODY", "2024-09", &[]).is_none());
}

#[test]
fn a_time_of_another_load_is_not_told() {
    let mut line = chunks().remove(0);
    line.timing.as_mut().unwrap().load_id = 8;
    let page = window(&going(), &Filter::default(), "SALES", "2024-06", &[line]).unwrap();
    assert!(!page.0.contains("1.25"), "{}", page.0);
}

#[test]
fn the_next_run() {
    let text = text_of(&next(&ended(going())));
    insta::assert_snapshot!(text, @r"
    Next run · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    POS.COM_5013 on replica.example:1433 → Warehouse.pos on 127.0.0.1:1433
    What the next run would do
    By the state file alone: no server was asked, so nothing here tells what is new at the source. sync plan asks both servers and tells rows and time, too.
    The same dates and tables as the last run:
    sync run --start-date 2024-06-01 --end-date 2025-11-30 --tables SALES,PAYMENT
    Work of the next run, by table
    Table It Windows
    SALES loads 2 stale chunks again 2025-02
    retries 1 failed window 2024-09
    retries 1 mismatched window 2024-11
    resumes 2 unfinished windows 2025-09 to 2025-10 (2 months)
    adds to 1 open window 2025-11
    loads days that are not loaded 2025-04
    PAYMENT adds to 1 open window 2025-11
    loads days that are not loaded 2024-06 to 2025-09 (16 months)
    The last run refused PAYMENT, and the next one does so unless this is corrected:
    the target has no column AMOUNT; add it
    The last run was not asked for VOID, ITEM: the same command leaves them as they are.
    Every run also counts the days of recent windows at both ends and loads those that differ, and loads what the target has lost.
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
    let text = text_of(&next(&nothing()));
    assert!(text.contains("No run has been here"), "{text}");
}

#[test]
fn the_runs() {
    insta::assert_snapshot!(text_of(&runs(&going())), @r"
    Runs · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    POS.COM_5013 on replica.example:1433 → Warehouse.pos on 127.0.0.1:1433
    Runs
    The last runs, the latest first
    Started Ended Took Exit Dates Loaded Queries Rows read Bytes read
    2025-11-20 20:00:00 – 1 h 00 min going 2024-06-01 to 2025-11-30 3,399,000 1,204 3,400,112 512.00 MiB
    Account by table
    Source: 1,204 queries, 3,400,112 rows, 512.00 MiB in 14 min 00 s; at most 2 connections at once; waited 2 min 00 s for its hours.
    Run 0000000000000000000000000000000a, process 4711 on vm.
    What the run asked of the source, by table
    Table Loaded Queries Rows read Bytes read Reading Waited Read again
    outside of tables 0 0 0 0 B 0.0 s 0.0 s 0
    SALES 3,399,000 1,204 3,400,112 512.00 MiB 14 min 00 s 2 min 00 s 0
    2025-11-20 20:00:00 – – killed, or crashed 2024-06-01 to 2025-11-30 3,399,000 1,204 3,400,112 512.00 MiB
    Account by table
    Source: 1,204 queries, 3,400,112 rows, 512.00 MiB in 14 min 00 s; at most 2 connections at once; waited 2 min 00 s for its hours.
    Run 0000000000000000000000000000000a, process 4711 on vm.
    What the run asked of the source, by table
    Table Loaded Queries Rows read Bytes read Reading Waited Read again
    outside of tables 0 0 0 0 B 0.0 s 0.0 s 0
    SALES 3,399,000 1,204 3,400,112 512.00 MiB 14 min 00 s 2 min 00 s 0
    2025-11-20 20:00:00 2025-11-20 21:14:30 1 h 14 min 4 incomplete: the same command again resumes it 2024-06-01 to 2025-11-30 3,399,000 1,204 3,400,112 512.00 MiB
    Table SALES: error 1105 of the target: the disk is full
    Account by table
    Source: 1,204 queries, 3,400,112 rows, 512.00 MiB in 14 min 00 s; at most 2 connections at once; waited 2 min 00 s for its hours.
    Run 0000000000000000000000000000000a, process 4711 on vm.
    What the run asked of the source, by table
    Table Loaded Queries Rows read Bytes read Reading Waited Read again
    outside of tables 0 0 0 0 B 0.0 s 0.0 s 0
    SALES 3,399,000 1,204 3,400,112 512.00 MiB 14 min 00 s 2 min 00 s 0
    2025-11-20 20:00:00 2025-11-20 21:14:30 1 h 14 min 0 done 2024-06-01 to 2025-11-30 3,399,000 1,204 3,400,112 512.00 MiB
    Account by table
    Source: 1,204 queries, 3,400,112 rows, 512.00 MiB in 14 min 00 s; at most 2 connections at once; waited 2 min 00 s for its hours.
    Run 0000000000000000000000000000000a, process 4711 on vm.
    What the run asked of the source, by table
    Table Loaded Queries Rows read Bytes read Reading Waited Read again
    outside of tables 0 0 0 0 B 0.0 s 0.0 s 0
    SALES 3,399,000 1,204 3,400,112 512.00 MiB 14 min 00 s 2 min 00 s 0
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
    assert!(text_of(&runs(&nothing())).contains("There was no run."));
}

#[test]
fn the_findings() {
    insta::assert_snapshot!(text_of(&findings(&going(), &differing("SALES"))), @r"
    Reconcile · sync Skip to the content
    sync
    Status
    Next run
    Runs
    Reconcile
    POS.COM_5013 on replica.example:1433 → Warehouse.pos on 127.0.0.1:1433
    Reconcile
    Each pass reads verified chunks back and compares them with what proved them, and with the source if it was told to. These are the passes that are kept, the latest first.
    With the source, only SALES, PAYMENT
    Began 2025-11-18 09:00:00, ended 2025-11-18 10:00:00: 2,400 chunks the same, 2 not; sync reconcile --source --repair repairs those that still differ; 2 that differed were loaded again by a run since.
    The same 2,400
    Differ still 2
    Repaired 0
    Loaded again since 2
    Differences that the pass left
    Table Window What differed Loaded again since
    PAYMENT 2024-11 chunk 0 all
    SALES 2024-11 chunks 3, 9, and the window as a whole 1 of 3
    This compares again and repairs what still differs:
    sync reconcile --source --repair --tables SALES
    At the target
    Began 2025-11-18 09:00:00, ended 2025-11-18 10:00:00: 2,400 chunks compared, none differs.
    The same 2,400
    Differ still 0
    Repaired 0
    Loaded again since 0
    As of 2025-11-20 21:00:00. All times are of the time zone Asia/Kuala_Lumpur.
    State file state/checkpoints.redb, configuration sync.toml.
    sync 0.1.0. This page only shows: it asks no server and changes nothing.
    ");
    assert!(text_of(&findings(&nothing(), &[])).contains("Nothing was compared yet."));
}
