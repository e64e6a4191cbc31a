//! The plans of several catalogs, and their refusals.

use super::*;
use crate::model::table::{DataType, Length, RefusedColumn};

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
        included: Vec::new(),
        partitioned_by: None,
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
        columnstore: false,
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
fn without_such_an_index_the_key_is_walked_and_it_is_said() {
    let mut filtered = index("IY", &["SALES_DATE"], false, false);
    filtered.complete = false;
    for (indexes, looks_up) in [
        (vec![index("PK", &["ID"], true, true)], false),
        (vec![index("PK", &["ID"], true, true), filtered], false),
        (vec![index("PK", &["ID"], false, true)], true),
    ] {
        let plan = plan(indexes, "SALES_DATE", None).unwrap();
        assert_eq!(plan.access_path, AccessPath::Walk);
        assert_eq!(plan.order_by(Kind::Dates(())), " ORDER BY [ID]");
        assert_eq!(plan.key.by_date(), [1, 0]);
        assert_eq!(plan.fingerprint[4], (KEY.to_owned(), "[ID]".to_owned()));
        let [note] = plan.notes.as_slice() else {
            panic!("{:?}", plan.notes)
        };
        let begins = "Table SALES: slow: no index on SALES_DATE, each window is one scan of the table";
        assert!(note.starts_with(begins), "{note}");
        assert_eq!(note.contains("looks up the date of each row"), looks_up, "{note}");
    }
}

#[test]
fn an_index_that_finds_the_days_is_used_although_each_is_sorted() {
    let by_day = || index("IX", &["SALES_DATE"], false, false);
    let mut descending = by_day();
    descending.ascending = false;
    let mut partitioned = by_day();
    partitioned.partitioned_by = Some(id("CODE"));
    for (clustered, by_day) in [
        (true, descending),
        (true, partitioned),
        // Rows of a heap are found by their place.
        (false, by_day()),
        (false, index("CX", &["SALES_DATE"], true, false)),
    ] {
        let plan = plan(
            vec![index("PK", &["ID"], clustered, true), by_day],
            "SALES_DATE",
            None,
        )
        .unwrap();
        assert_eq!(plan.access_path, AccessPath::DayWalk);
        assert!(
            plan.notes[0].contains("each day is found by an index"),
            "{:?}",
            plan.notes
        );
    }
}

#[test]
fn a_key_whose_order_no_index_delivers_is_not_walked() {
    let mut descending = index("PK", &["CODE", "ID"], true, true);
    descending.ascending = false;
    let mut partitioned = index("PK", &["ID", "SALES_DATE"], true, true);
    partitioned.partitioned_by = Some(id("SALES_DATE"));
    for index in [descending, partitioned] {
        let plan = plan(vec![index], "SALES_DATE", None).unwrap();
        assert_eq!(plan.access_path, AccessPath::DayWalk);
        assert_eq!(plan.key.order(Kind::Dates(()))[0], 1);
        assert!(plan.notes[0].contains("each day is one scan"), "{:?}", plan.notes);
    }
    // Partitions by the date keep the order of the date.
    let mut partitioned = index("PK", &["SALES_DATE", "ID"], true, true);
    partitioned.partitioned_by = Some(id("SALES_DATE"));
    let plan = plan(vec![partitioned], "SALES_DATE", None).unwrap();
    assert_eq!(plan.access_path, AccessPath::Date);
}

#[test]
fn a_table_stays_on_the_path_that_it_was_loaded_by() {
    let with = || {
        let indexes = vec![
            index("PK", &["ID"], true, true),
            index("IX", &["SALES_DATE"], false, false),
        ];
        plan(indexes, "SALES_DATE", None).unwrap()
    };
    let without = || plan(vec![index("PK", &["ID"], true, true)], "SALES_DATE", None).unwrap();
    use AccessPath::{Date, DayWalk, Walk};
    for (plan, recorded, kept) in [
        (with(), Date, Date),
        (with(), DayWalk, Date),
        (with(), Walk, Walk),
        (without(), Date, DayWalk),
        (without(), DayWalk, DayWalk),
        (without(), Walk, Walk),
        // A table that was a reference table is refused for its date column.
        (without(), AccessPath::Key, Walk),
    ] {
        let older = plan.fingerprint.clone();
        let plan = plan.keeping(recorded, &older[..3]);
        assert_eq!(plan.access_path, kept, "{recorded:?}");
        let key = match kept {
            Walk => "[ID]",
            _ => "[SALES_DATE], [ID]",
        };
        assert_eq!(plan.key_names(), key);
        assert_eq!(plan.fingerprint[4].1, key);
        assert_eq!(plan.notes.len(), usize::from(kept != Date), "{:?}", plan.notes);
    }
    let note = with().keeping(Walk, &[]).notes.remove(0);
    assert!(note.contains("Index IX would serve"), "{note}");
}

#[test]
fn a_table_stays_with_the_key_that_it_was_loaded_by_as_long_as_an_index_has_it() {
    use AccessPath::{Date, DayWalk, Walk};
    let code = || index("PK", &["CODE", "ID"], false, true);
    let date = || index("IX", &["SALES_DATE"], false, false);
    let older = |path: AccessPath, key: &str| {
        let plan = plan(vec![code()], "SALES_DATE", None).unwrap();
        let mut older = plan.keeping(path, &[]).fingerprint;
        older[4].1 = key.to_owned();
        older
    };
    // A clustered index that was made later is preferred by a table that nothing is loaded of.
    let later = || index("CX", &["ID"], true, true);
    for (indexes, recorded, key, kept) in [
        (vec![code(), later()], Walk, "[CODE], [ID]", Walk),
        (
            vec![code(), later()],
            DayWalk,
            "[SALES_DATE], [CODE], [ID]",
            DayWalk,
        ),
        (vec![code(), later(), date()], Walk, "[CODE], [ID]", Walk),
        (
            vec![index("CX", &["SALES_DATE", "CODE", "ID"], true, true), later()],
            Date,
            "[SALES_DATE], [CODE], [ID]",
            Date,
        ),
        // The same columns in another order.
        (vec![code(), later()], Walk, "[ID], [CODE]", Walk),
    ] {
        let older = older(recorded, key);
        let plan = plan(indexes, "SALES_DATE", None)
            .unwrap()
            .keeping(recorded, &older);
        assert_eq!((plan.key_names().as_str(), plan.access_path), (key, kept));
        assert!(plan.differences(&older).is_empty());
        let traced = plan.traced().map(|columns| names(&plan.source, columns));
        let without_date = key.trim_start_matches("[SALES_DATE], ");
        assert!(
            traced.is_some_and(|traced| traced == without_date || traced == "[ID]"),
            "{key}"
        );
    }
    let asked = [id("ID")];
    for (indexes, asked) in [(vec![later()], None), (vec![code(), later()], Some(&asked[..]))] {
        let older = older(Walk, "[CODE], [ID]");
        let plan = plan(indexes, "SALES_DATE", asked).unwrap().keeping(Walk, &older);
        let differences = plan.differences(&older);
        assert_eq!(differences, [(KEY, "key: was [CODE], [ID], is [ID]".to_owned())]);
    }
    // Who asks for the very key that was recorded has it, in whatever order.
    let older = older(Walk, "[CODE], [ID]");
    let asked = [id("ID"), id("CODE")];
    let plan = plan(vec![code(), later()], "SALES_DATE", Some(&asked)).unwrap();
    assert!(plan.keeping(Walk, &older).differences(&older).is_empty());
}

#[test]
fn a_walk_that_no_index_orders_now_is_said() {
    let older = [(KEY.to_owned(), "[CODE], [ID]".to_owned())];
    let plan = plan(
        vec![
            index("UX", &["ID", "CODE"], false, true),
            index("CX", &["ID"], true, true),
        ],
        "SALES_DATE",
        None,
    );
    let note = plan.unwrap().keeping(AccessPath::Walk, &older).notes.remove(0);
    assert!(note.contains("no index delivers the order"), "{note}");
}

#[test]
fn a_reference_table_without_a_key_stays_so() {
    let name = id("SALES");
    let whole = |indexes, key: Option<&[Identifier]>| {
        let source = schema(indexes);
        let target = source.name.clone();
        TablePlan::full(&name, source, target, key, "POS").unwrap()
    };
    let without = whole(vec![], None);
    assert!(
        without.notes[0].contains("no unique index"),
        "{:?}",
        without.notes
    );
    let older = without.fingerprint;
    let indexed = || vec![index("PK", &["ID"], true, true)];
    let plan = whole(indexed(), None).keeping(AccessPath::Key, &older);
    assert!(!plan.has_key() && plan.differences(&older).is_empty());
    assert!(plan.notes[0].contains("Index PK would serve"), "{:?}", plan.notes);
    let asked = whole(indexed(), Some(&[id("ID")])).keeping(AccessPath::Key, &older);
    assert_eq!(
        asked.differences(&older),
        [(KEY, "key: was , is [ID]".to_owned())]
    );
    // The index of the first load, though another one is clustered now.
    let older = whole(vec![index("UX", &["CODE"], false, true)], None).fingerprint;
    let both = vec![
        index("PK", &["ID"], true, true),
        index("UX", &["CODE"], false, true),
    ];
    let plan = whole(both, None).keeping(AccessPath::Key, &older);
    assert_eq!((plan.key_names().as_str(), plan.notes.len()), ("[CODE]", 0));
}

#[test]
fn a_name_is_taken_over_as_the_server_spells_it() {
    let mut plan = plan(vec![index("PK", &["ID"], true, true)], "SALES_DATE", None).unwrap();
    for (spelled, taken) in [("DBO.T_sales", "DBO.T_sales"), ("other.t_SALES", "DBO.T_sales")] {
        let target = plan.target.respelled(spelled);
        plan = plan.spelled(target);
        assert_eq!(plan.target.to_string(), taken);
        assert_eq!(plan.loaded_into(), taken);
    }
}

#[test]
fn a_date_index_without_all_columns_costs_lookups() {
    let all = ["STORE", "CODE"].map(id).to_vec();
    let mut covering = index("IX", &["SALES_DATE"], false, false);
    covering.included = all;
    for (date, costs) in [
        (index("IX", &["SALES_DATE"], false, false), true),
        (
            index("IX", &["SALES_DATE", "ID", "STORE", "CODE"], false, false),
            false,
        ),
        (covering, false),
    ] {
        let plan = plan(vec![index("PK", &["ID"], true, true), date], "SALES_DATE", None).unwrap();
        assert_eq!(plan.lookups().is_some(), costs);
    }
    let clustered = index("PK", &["SALES_DATE", "ID"], true, true);
    assert_eq!(plan(vec![clustered], "SALES_DATE", None).unwrap().lookups(), None);
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
    assert_eq!(plan.key.order(Kind::Dates(())), [0, 1]);
    assert_eq!(plan.key.by_date(), [1, 0]);
    assert_eq!(plan.access_path, AccessPath::Walk);
    let plan = plan.keeping(AccessPath::DayWalk, &[]);
    assert_eq!(plan.key.order(Kind::Dates(())), [1, 0]);
    assert_eq!(plan.key.unique, [0, 1]);
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
        [("key", "key: was [ID], is [CODE]".to_owned())]
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
    )
    .unwrap();
    let by_date = dated.clone().keeping(AccessPath::DayWalk, &[]);
    let whole = TablePlan::full(&name, source.clone(), target.clone(), None, "POS");
    source.indexes.clear();
    let unkeyed = TablePlan::full(&name, source, target.clone(), None, "POS");
    for plan in [dated, by_date, whole.unwrap(), unkeyed.unwrap()] {
        let (plan, again) = of(plan);
        assert_eq!(again.key, plan.key);
        if plan.has_key() {
            // Of a column that is no key, the order matters to nobody.
            assert_eq!(again.source.columns, plan.source.columns);
        }
        assert_eq!(again.source.name, plan.source.name);
        assert!(again.differences(&plan.fingerprint).is_empty());
    }
}

#[test]
fn an_excluded_column_is_no_part_of_a_plan() {
    let mut source = schema(vec![
        index("PK", &["ID"], true, true),
        index("UX", &["CODE"], false, true),
    ]);
    let whole = source.clone();
    source.exclude(&id("store"), None).unwrap();
    assert_eq!(source.position("STORE"), None);
    let target = source.name.clone();
    let plan = |source: TableSchema| {
        TablePlan::monthly(
            &id("SALES"),
            source,
            target.clone(),
            &id("SALES_DATE"),
            None,
            "POS",
        )
        .unwrap()
    };
    let (before, now) = (plan(whole.clone()), plan(source.clone()));
    let told = &now.differences(&before.fingerprint)[0].1;
    assert!(told.ends_with("; no longer copied: STORE"), "{told}");
    let text = "Table SALES: column STORE is not copied (excluded by exclude_columns)";
    assert!(now.notes.iter().any(|note| note == text), "{:?}", now.notes);

    // A unique index of which a column is excluded is no key, so another one is.
    source.exclude(&id("ID"), None).unwrap();
    assert_eq!(plan(source.clone()).key_names(), "[CODE]");
    let error = source.exclude(&id("CODE"), None).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("told apart by the unique index over CODE"),
        "{error}"
    );
    let error = whole
        .clone()
        .exclude(&id("CODE"), Some(&[id("code")]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Preflight);
    let error = whole.clone().exclude(&id("NOTE"), None).unwrap_err();
    assert!(
        error.to_string().ends_with("ID, SALES_DATE, STORE, CODE"),
        "{error}"
    );

    // One that is not copied anyway is named once.
    let mut typed = whole.clone();
    typed.refused = vec![RefusedColumn {
        name: id("PLACE"),
        reason: "geography".to_owned(),
    }];
    typed.exclude(&id("place"), None).unwrap();
    assert_eq!(typed.refused, [RefusedColumn::excluded(id("PLACE"))]);

    // A table without a key keeps at least one column.
    let mut keyless = schema(Vec::new());
    for name in ["ID", "SALES_DATE", "STORE"] {
        keyless.exclude(&id(name), None).unwrap();
    }
    assert!(keyless.exclude(&id("CODE"), None).is_err());
}

/// Nobody is asked for an index that is there.
#[test]
fn why_rows_cannot_be_followed() {
    let key = || index("PK", &["SALES_DATE", "ID"], true, true);
    for (indexes, why, asked) in [
        (vec![key()], "no index finds", "an index on the rest"),
        (
            vec![key(), index("IX", &["ID"], false, false)],
            "finds more than one row",
            "a unique index",
        ),
    ] {
        let plan = plan(indexes, "SALES_DATE", None).unwrap();
        assert!(plan.key_holds_date());
        let (cause, index) = plan.untraced();
        let index = index.expect("an index that would help");
        assert!(cause.contains(why) && index.contains(asked), "{cause}; {index}");
    }
    let plan = plan(vec![index("PK", &["ID"], true, true)], "SALES_DATE", None).unwrap();
    assert!(!plan.key_holds_date());
    let (cause, index) = plan.untraced();
    assert!(
        cause.contains("more rows moved at once") && index.is_none(),
        "{cause}; {index:?}"
    );
}
