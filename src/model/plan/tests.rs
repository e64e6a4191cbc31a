//! The plans of several catalogs, and their refusals.

use super::*;
use crate::model::table::{DataType, Length};

fn id(name: &str) -> Identifier {
    Identifier::new(name).unwrap()
}

fn column(name: &str, data_type: DataType, nullable: bool) -> Column {
    Column {
        name: id(name),
        data_type,
        nullable,
        identity: false,
        collation: None,
    }
}

fn index(name: &str, columns: &[&str], clustered: bool, unique: bool) -> Index {
    Index {
        name: name.to_owned(),
        columns: columns.iter().map(|name| id(name)).collect(),
        clustered,
        unique,
        primary_key: name.starts_with("PK"),
        complete: true,
        ascending: true,
    }
}

fn schema(indexes: Vec<Index>) -> TableSchema {
    TableSchema {
        name: TableName {
            schema: id("dbo"),
            name: id("SALES"),
        },
        object_id: 1,
        create_date: "2025-01-01T00:00:00".parse().unwrap(),
        columns: vec![
            column("ID", DataType::BigInt, false),
            column("SALES_DATE", DataType::DateTime, false),
            column("STORE", DataType::Int, true),
            column("CODE", DataType::Int, false),
        ],
        refused: Vec::new(),
        indexes,
    }
}

fn plan(indexes: Vec<Index>, date: &str, key: Option<&[Identifier]>) -> Result<TablePlan> {
    let source = schema(indexes);
    let target = TableName {
        schema: id("dbo"),
        name: id("t_SALES"),
    };
    TablePlan::monthly(&id("SALES"), source, target, &id(date), key, "POS")
}

#[test]
fn a_date_index_over_a_clustered_key_delivers_the_order() {
    let plan = plan(
        vec![
            index("PK", &["ID"], true, true),
            index("IX", &["SALES_DATE"], false, false),
        ],
        "sales_date",
        None,
    )
    .unwrap();
    assert_eq!(plan.access_path, AccessPath::Date);
    assert_eq!(plan.order_by(Kind::Dates(())), " ORDER BY [SALES_DATE], [ID]");
    assert_eq!(plan.order_by(Kind::Undated), " ORDER BY [ID]");
}

#[test]
fn without_such_an_index_days_are_walked_and_it_is_said() {
    let mut descending = index("IX", &["SALES_DATE"], false, false);
    descending.ascending = false;
    let mut filtered = index("IY", &["SALES_DATE"], false, false);
    filtered.complete = false;
    for indexes in [
        vec![index("PK", &["ID"], true, true)],
        vec![index("PK", &["ID"], true, true), descending],
        vec![index("PK", &["ID"], true, true), filtered],
        vec![
            index("PK", &["ID"], false, true),
            index("IX", &["SALES_DATE"], false, false),
        ],
    ] {
        let plan = plan(indexes, "SALES_DATE", None).unwrap();
        assert_eq!(plan.access_path, AccessPath::DayWalk);
        assert_eq!(plan.notes.len(), 1);
    }
}

#[test]
fn a_key_must_be_unique_and_not_null() {
    for indexes in [
        vec![],
        vec![index("IX", &["ID"], true, false)],
        vec![index("UX", &["STORE"], true, true)],
    ] {
        let error = plan(indexes, "SALES_DATE", None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Preflight);
        assert!(error.to_string().contains("dbo.SALES"));
    }
}

#[test]
fn the_key_can_be_asked_for() {
    let indexes = || {
        vec![
            index("PK", &["ID"], true, true),
            index("UX", &["CODE"], false, true),
        ]
    };
    assert_eq!(plan(indexes(), "SALES_DATE", None).unwrap().key.unique, [0]);
    assert_eq!(
        plan(indexes(), "SALES_DATE", Some(&[id("code")]))
            .unwrap()
            .key
            .unique,
        [3]
    );
    assert!(plan(indexes(), "SALES_DATE", Some(&[id("STORE")])).is_err());
}

#[test]
fn the_date_may_be_part_of_the_unique_index() {
    let plan = plan(
        vec![index("PK", &["ID", "SALES_DATE"], true, true)],
        "SALES_DATE",
        None,
    )
    .unwrap();
    assert_eq!(plan.key.order(Kind::Dates(())), [1, 0]);
    assert_eq!(plan.key.unique, [0, 1]);
    assert_eq!(plan.access_path, AccessPath::DayWalk);
}

#[test]
fn a_date_column_that_is_none_is_refused_with_the_ones_there_are() {
    let error = plan(vec![index("PK", &["ID"], true, true)], "DATED", None).unwrap_err();
    assert!(error.to_string().ends_with("SALES_DATE"), "{error}");
    assert!(plan(vec![index("PK", &["ID"], true, true)], "CODE", None).is_err());
}

#[test]
fn a_changed_plan_names_what_changed() {
    let old = plan(vec![index("PK", &["ID"], true, true)], "SALES_DATE", None).unwrap();
    let new = plan(vec![index("PK", &["CODE"], true, true)], "SALES_DATE", None).unwrap();
    assert_eq!(
        new.differences(&old.fingerprint),
        [(
            "key",
            "key: was [SALES_DATE], [ID], is [SALES_DATE], [CODE]".to_owned()
        )]
    );
    assert!(old.differences(&old.fingerprint.clone()).is_empty());
}

#[test]
fn a_key_that_is_ordered_otherwise_is_another_plan() {
    let of = |collation: &str| {
        let mut source = schema(vec![index("PK", &["CODE"], true, true)]);
        source.columns[3].data_type = DataType::NVarChar(Length::N(9));
        source.columns[3].collation = Some(collation.to_owned());
        let target = source.name.clone();
        TablePlan::monthly(&id("SALES"), source, target, &id("SALES_DATE"), None, "POS").unwrap()
    };
    let (old, new) = (of("Latin1_General_CI_AS"), of("Latin1_General_BIN2"));
    assert_eq!(
        new.differences(&old.fingerprint),
        [(
            KEY_COLLATIONS,
            "key collations: was Latin1_General_CI_AS, is Latin1_General_BIN2".to_owned()
        )]
    );
    // A plan of before did not know.
    let before: Vec<_> = old
        .fingerprint
        .into_iter()
        .filter(|(part, _)| part != KEY_COLLATIONS)
        .collect();
    assert!(new.differences(&before).is_empty());
}

#[test]
fn a_plan_is_known_by_its_fingerprint() {
    let keys = ["ID", "a]b, c int NULL", "LEFT", "RIGHT"];
    let mut source = schema(vec![index("PK", &keys, true, true)]);
    for (name, collation) in [("LEFT", "Latin1_General_BIN2"), ("RIGHT", "Latin1_General_CI_AS")] {
        source.columns.push(Column {
            collation: Some(collation.to_owned()),
            ..column(name, DataType::NVarChar(Length::N(9)), false)
        });
    }
    source.columns.push(column(
        "a]b, c int NULL",
        DataType::Decimal {
            precision: 18,
            scale: 4,
        },
        false,
    ));
    let target = TableName {
        schema: id("dbo"),
        name: id("t_SALES"),
    };
    let name = id("SALES");
    let of = |plan: TablePlan| {
        let again = TablePlan::recorded(&name, target.clone(), plan.access_path, plan.fingerprint.clone());
        (plan, again.unwrap())
    };
    let dated = TablePlan::monthly(
        &name,
        source.clone(),
        target.clone(),
        &id("SALES_DATE"),
        None,
        "POS",
    );
    let whole = TablePlan::full(&name, source.clone(), target.clone(), None, "POS");
    source.indexes.clear();
    let unkeyed = TablePlan::full(&name, source, target.clone(), None, "POS");
    for plan in [dated, whole, unkeyed] {
        let (plan, again) = of(plan.unwrap());
        assert_eq!(again.key, plan.key);
        if plan.has_key() {
            // Of a column that is no key, the order matters to nobody.
            assert_eq!(again.source.columns, plan.source.columns);
        }
        assert_eq!(again.source.name, plan.source.name);
        assert!(again.differences(&plan.fingerprint).is_empty());
    }
}
