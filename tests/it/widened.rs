//! Columns that were widened at the source: a narrower target is refused with the statement that widens it, nothing is cut,
//! and a copy of a reference table is as wide as it must be.

use tds_emulator::At;
use testkit::project::{full, monthly};
use testkit::tables::Table;
use testkit::{Ended, Project, Server, faults};

const NARROW: &str = "ID int NOT NULL, AT datetime NOT NULL, NAME varchar(10) NULL, PRICE decimal(9,2) NULL, \
                      N int NULL, SEEN datetime2(0) NULL";

/// The columns that are widened, and how the target's become as wide.
const WIDER: [(&str, &str); 4] = [
    ("NAME", "varchar(50)"),
    ("PRICE", "decimal(12,4)"),
    ("N", "bigint"),
    ("SEEN", "datetime2(7)"),
];

/// A row that the narrow columns hold.
const FITS: &str = "(1, '2025-10-01T10:00:00', 'short', 1.25, 7, '2025-10-01T10:00:00')";

/// Values of the wider columns that the narrow ones do not hold, in the order of [`WIDER`].
const VALUES: [&str; 4] = [
    "'longer than ten'",
    "1.2345",
    "5000000000",
    "'2025-10-01T10:00:00.1234567'",
];

fn table() -> Table {
    Table::new("SALES", NARROW).rows([FITS])
}

async fn widen(server: &Server) {
    for (column, data_type) in WIDER {
        server
            .at_source(&format!(
                "ALTER TABLE dbo.SALES ALTER COLUMN {column} {data_type}"
            ))
            .await;
    }
}

async fn run(project: &Project, code: i32) -> Ended {
    project.run("2025-10-01", "2025-10-31", &[]).await.expect(code)
}

/// The statement that a text gives for a column of the target.
fn statement(text: &str, column: &str) -> String {
    let begins = format!("ALTER TABLE [dbo].[t_SALES] ALTER COLUMN [{column}] ");
    let Some((_, rest)) = text.split_once(&begins) else {
        panic!("no {begins} in {text}");
    };
    let (definition, _) = rest.split_once(", or drop the table").expect("another way out");
    begins + definition
}

#[tokio::test(flavor = "multi_thread")]
async fn a_narrower_target_is_refused_and_mended_by_the_statement_that_is_given() {
    // Not every server takes NULL in ALTER COLUMN, which SQL Server's documentation asks to be written.
    let Some(server) = Server::start_emulator("a_narrower_target_is_refused_and_mended").await else {
        return;
    };
    table().at_source(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    run(&project, 0).await;
    widen(&server).await;
    run(&project, 6).await;
    project.sync(&["forget", "--table", "SALES"]).await.expect(0);

    // Each narrow column is named with both types, and no row is read, whatever fits today.
    let mark = server.mark();
    let doctor = project.sync(&["doctor"]).await.expect(7);
    let dates = ["--start-date", "2025-10-01", "--end-date", "2025-10-31"];
    let plan = project.sync(&[&["plan"][..], &dates].concat()).await.expect(7);
    let ended = run(&project, 7).await;
    server.assert_no_table_read(mark, &["[SALES]"]);
    let mut statements = Vec::new();
    for (column, data_type) in WIDER {
        let text = format!("olumn {column} is {data_type} at the source and ");
        for (said, whose) in [
            (&doctor.stdout, "doctor"),
            (&plan.stdout, "plan"),
            (&ended.stderr, "run"),
        ] {
            assert!(said.contains(&text), "the {whose} does not say {text}: {said}");
            statements.push(statement(said, column));
        }
    }
    for ((column, _), value) in WIDER.iter().zip(VALUES) {
        server
            .at_source(&format!("UPDATE dbo.SALES SET {column} = {value}"))
            .await;
    }
    for statement in statements {
        server.at_target(&statement).await;
    }
    let doctor = project.sync(&["doctor"]).await.expect(0);
    assert!(doctor.stdout.contains("dbo.t_SALES fits"), "{doctor:?}");
    run(&project, 0).await.does_not_say("ALTER TABLE");
    server.assert_equal("dbo.SALES", "dbo.t_SALES").await;
}

/// Columns of another type may hold all there is. A value that they do not hold is never visible, and the column is named,
/// but not the value.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_another_type_does_not_hold_is_refused() {
    let Some(server) = Server::start_emulator("a_value_that_another_type_does_not_hold_is_refused").await
    else {
        return;
    };
    let columns = |data_type: &str| format!("ID int NOT NULL, AT datetime NOT NULL, CODE {data_type} NULL");
    let source = Table::new("SALES", &columns("nvarchar(10)"));
    source.rows(["(1, '2025-10-01', '7')"]).at_source(&server).await;
    Table::new("t_SALES", &columns("int")).at_target(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    let says = "olumn CODE is nvarchar(10) at the source and int ";
    project.sync(&["doctor"]).await.expect(0).says(says);
    run(&project, 0).await.says(says);
    // A blank is lost on the way; letters are no number at all.
    for (value, code) in [("' 8'", 3), ("'eight'", 4)] {
        server
            .at_source(&format!("UPDATE dbo.SALES SET CODE = {value}"))
            .await;
        project.sync(&["forget", "--table", "SALES"]).await.expect(0);
        let refused = run(&project, code).await;
        let (_, why) = refused.stderr.split_once("window 2025-10").expect("a window");
        assert!(!why.contains(value.trim_matches('\'')), "{refused:?}");
        if code == 3 {
            refused.says("The first that differs is: column CODE is ");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copy_of_a_reference_table_is_as_wide_as_both() {
    let server = Server::start().await;
    table().at_source(&server).await;
    let project = Project::new(&server, &full("SALES"));
    project.sync(&["run"]).await.expect(0);
    // The warehouse has widened one column itself.
    server
        .at_target("ALTER TABLE dbo.t_SALES ALTER COLUMN NAME nvarchar(20)")
        .await;
    widen(&server).await;
    for ((column, _), value) in WIDER.iter().zip(VALUES) {
        server
            .at_source(&format!("UPDATE dbo.SALES SET {column} = {value}"))
            .await;
    }
    project.sync(&["forget", "--table", "SALES"]).await.expect(0);
    let says = |column: &str, was: &str, becomes: &str| {
        format!(
            "column {column} of dbo.t_SALES was {was} and becomes {becomes}, because the source's values need it"
        )
    };
    let texts = [
        says("NAME", "nvarchar(20)", "nvarchar(50)"),
        says("PRICE", "decimal(9,2)", "decimal(12,4)"),
        says("N", "int", "bigint"),
        says("SEEN", "datetime2(0)", "datetime2(7)"),
    ];
    let plan = project.sync(&["plan"]).await.expect(0);
    let ended = project.sync(&["run"]).await.expect(0);
    for text in texts {
        assert!(plan.stdout.contains(&text), "{text}: {plan:?}");
        assert!(ended.stderr.contains(&text), "{text}: {ended:?}");
    }
    let of =
        |table: &str| format!("SELECT ID, AT, CAST(NAME AS nvarchar(50)), PRICE, N, SEEN FROM dbo.{table}");
    assert_eq!(
        server.connect(&server.target).await.rows(&of("t_SALES")).await,
        server.connect(&server.source).await.rows(&of("SALES")).await
    );
    project.sync(&["run"]).await.expect(0).does_not_say("becomes");
}

/// The rows that are read after it no longer fit the session table: no attempt could pass, and none is made.
#[tokio::test(flavor = "multi_thread")]
async fn a_column_that_is_widened_in_mid_run_is_told_at_once() {
    let test = "a_column_that_is_widened_in_mid_run_is_told_at_once";
    let Some(server) = Server::start_emulator(test).await else {
        return;
    };
    let rows = (1..=60).map(|n| format!("({n}, '2025-10-{:02}T10:00:00', N'short')", 1 + n % 28));
    Table::new(
        "SALES",
        "ID int NOT NULL, AT datetime NOT NULL, NAME nvarchar(10) NULL",
    )
    .indexed("AT")
    .rows(rows)
    .at_source(&server)
    .await;
    let project = Project::tuned(&server, "chunk_rows = 20", &monthly("SALES", "AT"));
    let widened = faults::at("SELECT TOP")
        .of_the_program()
        .in_database(&server.source)
        .point(At::Before)
        .nth(3)
        .runs(
            &server,
            "ALTER TABLE dbo.SALES ALTER COLUMN NAME nvarchar(60) NULL; \
             UPDATE dbo.SALES SET NAME = N'much longer than ten' WHERE AT >= '2025-10-25'",
        );
    let loads = faults::at("INSERT BULK")
        .in_database(&server.target)
        .always()
        .notices(&server);
    run(&project, 4)
        .await
        .says("a value no longer fits its column")
        .says("run the same command again")
        .does_not_say("again in ");
    assert_eq!(server.faults().fired(widened), 1);
    assert!(server.faults().fired(loads) <= 3, "no batch is loaded twice");
    server.faults().clear();
    run(&project, 6).await.says("NAME").says("nvarchar(60)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_that_no_server_has_is_refused_before_a_row_is_read() {
    let server = Server::start().await;
    table().at_source(&server).await;
    let own = NARROW.replace("N int NULL", "N date NULL");
    Table::new("t_SALES", &own).at_target(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    let says = "olumn N is int at the source and date ";
    let mark = server.mark();
    run(&project, 7)
        .await
        .says(says)
        .says("drop the column or the table")
        .does_not_say("ALTER TABLE");
    server.assert_no_table_read(mark, &["[SALES]"]);
    project.sync(&["doctor"]).await.expect(7).says(says);
}

/// The emulator converts to its own code page whatever the column's, but for UTF-8.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_another_code_page_need_a_national_column() {
    let Some(server) = Server::start_emulator("texts_of_another_code_page_need_a_national_column").await
    else {
        return;
    };
    let columns = |collation: &str| {
        format!("ID int NOT NULL, AT datetime NOT NULL, NAME varchar(30) COLLATE {collation} NULL")
    };
    let source = Table::new("SALES", &columns("Latin1_General_100_CI_AS_SC_UTF8"));
    source
        .rows(["(1, '2025-10-01', N'Москва')"])
        .at_source(&server)
        .await;
    let own = Table::new("t_SALES", &columns("Latin1_General_CI_AS"));
    own.at_target(&server).await;
    let project = Project::new(&server, &monthly("SALES", "AT"));
    let doctor = project.sync(&["doctor"]).await.expect(0);
    let says = "Column NAME is varchar(30) in Latin1_General_100_CI_AS_SC_UTF8 at the source and varchar(30) in \
                Latin1_General_CI_AS here";
    assert!(doctor.stdout.contains(says), "{doctor:?}");
    run(&project, 3)
        .await
        .says("The first that differs is: column NAME is ");
    server.at_target(&statement(&doctor.stdout, "NAME")).await;
    run(&project, 0).await;
    let names = "SELECT CAST(NAME AS nvarchar(30)) FROM dbo.t_SALES";
    assert_eq!(
        server.connect(&server.target).await.texts(names).await,
        ["Москва"]
    );
}
