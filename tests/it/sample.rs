//! `sync sample`: a few rows of each target table as JSON, from the target alone.

use testkit::{Project, Server};

const TABLES: &str = "[[table]]\nname = \"SALES\"\ndate_column = \"AT\"\n[[table]]\nname = \"EMPTY\"\n\
                      date_column = \"AT\"\n[[table]]\nname = \"ITEM\"\nmode = \"full\"";

const FILES: [&str; 3] = ["sales/SALES.json", "sales/EMPTY.json", "reference/ITEM.json"];

async fn fill(server: &Server) {
    for sql in [
        "CREATE TABLE dbo.t_SALES (ZETA int NOT NULL, AT datetime NOT NULL, AMOUNT money NULL, RATE decimal(9,3) NULL, \
         PAID bit NULL, CODE varbinary(8) NULL, UNIT uniqueidentifier NULL, WEIGHT float NULL, NO bigint NULL, \
         NOTE varchar(20) NULL, DAY date NULL, SEEN datetimeoffset(0) NULL, CONSTRAINT PK_S PRIMARY KEY NONCLUSTERED (ZETA))",
        "CREATE UNIQUE CLUSTERED INDEX CX_S ON dbo.t_SALES (AT, ZETA)",
        "INSERT INTO dbo.t_SALES (ZETA, AT, AMOUNT, RATE, PAID, CODE, UNIT, WEIGHT, NO, NOTE, DAY, SEEN) VALUES \
         (1, '2025-10-02T10:00:00', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL), \
         (2, '2025-10-01T10:00:00.123', 12.5, -0.5, 1, 0x00FF, '6F9619FF-8B86-D011-B42D-00C04FC964FF', 0.25, \
         9007199254740993, 'a \"note\"', '2025-10-01', '2025-10-01T10:00:00+08:00')",
        "CREATE TABLE dbo.t_EMPTY (ID int NOT NULL PRIMARY KEY, AT datetime NOT NULL)",
        "CREATE TABLE dbo.t_ITEM (ID int NOT NULL PRIMARY KEY, NAME nvarchar(20) NULL)",
        "INSERT INTO dbo.t_ITEM VALUES (3, N'c'), (1, N'王'), (2, N'b')",
    ] {
        server.at_target(sql).await;
    }
}

/// What becomes of SALES.
const SALES_JSON: &str = r#"[
  {
    "ZETA": 2,
    "AT": "2025-10-01T10:00:00.123",
    "AMOUNT": "12.5000",
    "RATE": "-0.500",
    "PAID": true,
    "CODE": "0x00FF",
    "UNIT": "6F9619FF-8B86-D011-B42D-00C04FC964FF",
    "WEIGHT": 0.25,
    "NO": 9007199254740993,
    "NOTE": "a \"note\"",
    "DAY": "2025-10-01",
    "SEEN": "2025-10-01T10:00:00+08:00"
  },
  {
    "ZETA": 1,
    "AT": "2025-10-02T10:00:00.000",
    "AMOUNT": null,
    "RATE": null,
    "PAID": null,
    "CODE": null,
    "UNIT": null,
    "WEIGHT": null,
    "NO": null,
    "NOTE": null,
    "DAY": null,
    "SEEN": null
  }
]
"#;

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_key_order_with_columns_in_table_order() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::new(&server, TABLES);
    let mark = server.mark();
    let ended = project.sync(&["sample"]).await.expect(0);
    assert_eq!(
        ended.stdout.replace('\\', "/"),
        "| Table     | Rows Exported | File                                    |\n\
         | --------- | ------------: | --------------------------------------- |\n\
         | SALES     |             2 | exports/sample_data/sales/SALES.json    |\n\
         | EMPTY     |             0 | exports/sample_data/sales/EMPTY.json    |\n\
         | ITEM      |             3 | exports/sample_data/reference/ITEM.json |\n\
         | **TOTAL** |         **5** |                                         |\n"
    );
    if server.has_log() {
        let asked = server.emulator().log().since(mark);
        assert!(asked.iter().all(|statement| statement.database != server.source));
    }
    let read = |file: &str| {
        let path = project.home.path("exports/sample_data").join(file);
        std::fs::read_to_string(path).expect("the file is there")
    };
    // Where clustered indexes are not told apart, the order is another key's, and names may be in another case.
    if server.faithful {
        assert_eq!(read("sales/SALES.json"), SALES_JSON);
    }
    assert_eq!(read("sales/EMPTY.json"), "[]\n");
    let items: serde_json::Value = serde_json::from_str(&read("reference/ITEM.json")).expect("JSON");
    let name = if server.faithful { "NAME" } else { "name" };
    assert_eq!(items[0][name], "王");
    for file in FILES {
        let folder = project.home.path("exports/sample_data").join(file);
        let folder = folder
            .parent()
            .expect("a folder")
            .read_dir()
            .expect("it is there");
        for entry in folder {
            let name = entry.expect("an entry").file_name();
            assert!(
                name.to_string_lossy().ends_with(".json"),
                "{name:?} is left behind"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_flags_of_sample() {
    let server = Server::start().await;
    fill(&server).await;
    let project = Project::new(&server, TABLES);
    let flags = [
        "sample",
        "--sample-size",
        "1",
        "--output-dir",
        "out",
        "--tables",
        "item,SALES",
        "--json",
    ];
    let ended = project.sync(&flags).await.expect(0);
    let json = ended.json();
    assert_eq!(json["totals"]["rows"], 2, "{json}");
    assert_eq!(
        json["tables"][0]["name"], "SALES",
        "in the configuration's order: {json}"
    );
    assert_eq!(
        (&json["tables"][1]["mode"], &json["tables"][1]["rows"]),
        (&"full".into(), &1.into())
    );
    let out = project.home.path("out");
    assert!(out.join("sales/SALES.json").is_file() && out.join("reference/ITEM.json").is_file());
    assert!(!out.join("sales/EMPTY.json").exists(), "it was not asked for");
    project.sync(&["sample", "--tables", "SALE"]).await.expect(2);
    project.sync(&["sample", "--sample-size", "0"]).await.expect(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_yet_is_said_and_ends_with_4() {
    let server = Server::start().await;
    server
        .at_target("CREATE TABLE dbo.t_SALES (ID int NOT NULL PRIMARY KEY, AT datetime NOT NULL)")
        .await;
    let project = Project::new(&server, TABLES);
    let ended = project.sync(&["sample"]).await.expect(4);
    assert!(ended.stdout.contains("not at the target yet"), "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("table ITEM: dbo.t_ITEM is not at the target yet"),
        "{ended:?}"
    );
    let directory = project.home.path("exports/sample_data");
    assert!(directory.join("sales/SALES.json").is_file());
    assert!(!directory.join("reference").exists());
}
