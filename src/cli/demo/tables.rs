//! The demo's ten tables of sales: columns as in a point-of-sale system, row counts, and indexes.

use super::reference::REFERENCE;
use super::spec::{ColumnSpec, Fill, Link, NOTE, TableSpec, ascii, column, decimal, maybe, text};
use super::words;
use crate::model::table::{DataType, Length};

/// The outlet and till that created a row.
const PLACE: &[ColumnSpec] = &[
    column("OUTLET_CODE", ascii(10), Fill::OutletCode),
    column("TERMINAL_ID", DataType::SmallInt, Fill::Till),
    column("CASHIER_ID", DataType::Int, Fill::CashierId),
];

/// The columns that a vendor's replication adds to every table.
const AUDIT: &[ColumnSpec] = &[
    column("ROW_GUID", DataType::UniqueIdentifier, Fill::Guid),
    column("IS_DELETED", DataType::Bit, Fill::Flag(1)),
    column("SYNC_STATUS", DataType::TinyInt, Fill::Whole(0, 3)),
    column("CREATED_AT", DataType::DateTime2(3), Fill::After(5)),
    maybe("UPDATED_AT", DataType::DateTime2(7), 60, Fill::After(86_400)),
    maybe("ROW_STAMP", DataType::Binary(8), 2, Fill::Bytes(8, 8)),
];

const SALES: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(5_013_000_000)),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("SALES_DATE", DataType::DateTime, Fill::Moment),
    column("BUSINESS_DATE", DataType::Date, Fill::Day),
    column("SALES_TIME", DataType::Time(3), Fill::Clock),
    column("OUTLET_NAME", text(60), Fill::OutletName),
    column("CASHIER_NAME", text(80), Fill::Cashier),
    maybe("CUSTOMER_NAME", text(120), 55, Fill::Customer),
    maybe("MEMBER_NO", ascii(20), 70, Fill::MemberNo),
    maybe("CUSTOMER_PHONE", ascii(20), 75, Fill::Phone),
    maybe("CUSTOMER_EMAIL", text(100), 85, Fill::Email),
    column("CHANNEL", ascii(20), Fill::Pick(words::CHANNELS)),
    maybe("TABLE_NO", text(10), 50, Fill::Code("T", 2)),
    column("PAX", DataType::TinyInt, Fill::Whole(1, 12)),
    column("SUBTOTAL", DataType::Money, Fill::Subtotal),
    column("DISCOUNT_AMOUNT", DataType::Money, Fill::Discount),
    column("TAX_AMOUNT", DataType::Money, Fill::Tax),
    column("ROUNDING", DataType::SmallMoney, Fill::Rounding),
    column("TOTAL_AMOUNT", DataType::Money, Fill::Total),
    column("CURRENCY", DataType::Char(3), Fill::Pick(&["MYR"])),
    column("EXCHANGE_RATE", decimal(18, 6), Fill::Rate(1000, 1000)),
    maybe("SERVICE_SECONDS", DataType::Real, 20, Fill::Measure),
    column("IS_VOID", DataType::Bit, Fill::Flag(2)),
    column("IS_TRAINING", DataType::Bit, Fill::Flag(0)),
    column("IS_OFFLINE", DataType::Bit, Fill::Flag(4)),
    maybe("REMARK", NOTE, 80, Fill::Note),
    maybe("EINVOICE_UUID", DataType::UniqueIdentifier, 40, Fill::Guid),
    maybe("EINVOICE_AT", DataType::DateTimeOffset(3), 40, Fill::Zoned),
    maybe(
        "SIGNATURE",
        DataType::VarBinary(Length::N(64)),
        90,
        Fill::Bytes(16, 64),
    ),
];

const ITEM: &[ColumnSpec] = &[
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("LINE_NO", DataType::Int, Fill::LineNo),
    column("SALES_DATE", DataType::DateTime, Fill::Moment),
    column("ITEM_CODE", ascii(20), Fill::ItemCode),
    column("ITEM_NAME", text(120), Fill::ItemName),
    column("CATEGORY", text(40), Fill::Category),
    column("QUANTITY", decimal(18, 3), Fill::Quantity),
    column("UOM", DataType::NChar(4), Fill::Pick(&["UNIT", "SET", "份"])),
    column("UNIT_PRICE", DataType::Money, Fill::Price),
    column("DISCOUNT_RATE", decimal(9, 4), Fill::Rate(0, 25)),
    column("DISCOUNT_AMOUNT", DataType::Money, Fill::Discount),
    column("TAX_AMOUNT", DataType::Money, Fill::Tax),
    column("AMOUNT", DataType::Money, Fill::Total),
    column("IS_TAKEAWAY", DataType::Bit, Fill::Flag(35)),
    column("IS_MODIFIER", DataType::Bit, Fill::Flag(8)),
    maybe("COOKED_AT", DataType::SmallDateTime, 30, Fill::After(1200)),
    maybe("REMARK", NOTE, 93, Fill::Note),
];

const PAYMENT: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(7_000_001)),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("PAYMENT_DATE", DataType::DateTime, Fill::Moment),
    column("METHOD", ascii(20), Fill::Pick(words::PAYMENTS)),
    column("AMOUNT", DataType::Money, Fill::Total),
    column("TENDERED", DataType::Money, Fill::Tendered),
    column("ROUNDING", DataType::SmallMoney, Fill::Rounding),
    maybe("APPROVAL_CODE", ascii(12), 45, Fill::Code("A", 6)),
    maybe(
        "CARD_MASKED",
        DataType::Char(19),
        60,
        Fill::Pick(&["****-****-****-4242", "****-****-****-0005"]),
    ),
    maybe("GATEWAY_RATE", DataType::Float, 50, Fill::Measure),
    maybe("SETTLED_AT", DataType::DateTimeOffset(7), 25, Fill::Zoned),
    column("IS_REFUND", DataType::Bit, Fill::Flag(1)),
    maybe(
        "GATEWAY_BLOB",
        DataType::VarBinary(Length::Max),
        92,
        Fill::Bytes(0, 300),
    ),
    maybe("REMARK", text(200), 95, Fill::Note),
];

const VOID: &[ColumnSpec] = &[
    column("ID", DataType::Int, Fill::Id(1)),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("VOID_DATE", DataType::DateTime2(3), Fill::Moment),
    column("ITEM_CODE", ascii(20), Fill::ItemCode),
    column("ITEM_NAME", text(120), Fill::ItemName),
    column("QUANTITY", decimal(18, 3), Fill::Quantity),
    column("AMOUNT", DataType::Money, Fill::Total),
    column("REASON", text(80), Fill::Pick(words::REASONS)),
    maybe("APPROVED_BY", text(80), 30, Fill::Cashier),
    maybe("REMARK", NOTE, 70, Fill::Note),
];

const VOUCHER: &[ColumnSpec] = &[
    column("VOUCHER_ID", DataType::UniqueIdentifier, Fill::Guid),
    column("VOUCHER_CODE", ascii(24), Fill::Code("MB", 14)),
    column("ISSUE_DATE", DataType::DateTime, Fill::Moment),
    column("CAMPAIGN", text(60), Fill::Pick(words::CAMPAIGNS)),
    column("FACE_VALUE", DataType::SmallMoney, Fill::Price),
    column("DISCOUNT_RATE", decimal(9, 4), Fill::Rate(0, 500)),
    column("POINTS", DataType::Int, Fill::Whole(0, 5000)),
    maybe("MEMBER_NO", ascii(20), 20, Fill::MemberNo),
    maybe("MEMBER_NAME", text(120), 35, Fill::Customer),
    column("VALID_FROM", DataType::Date, Fill::Day),
    maybe("REDEEMED_AT", DataType::DateTime2(3), 65, Fill::After(1_000_000)),
    column("IS_REDEEMED", DataType::Bit, Fill::Flag(35)),
    maybe("LIABILITY", decimal(28, 10), 10, Fill::Rate(0, 90_000)),
    maybe("TERMS", NOTE, 90, Fill::Note),
];

/// Credit and debit notes: there are none in these two months.
const DOCUMENT: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(1)),
    column("DOC_NO", ascii(20), Fill::Code("D", 8)),
    column("DOC_DATE", DataType::DateTime, Fill::Moment),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("REASON", text(80), Fill::Pick(words::DOCUMENT_REASONS)),
    column("AMOUNT", DataType::Money, Fill::Total),
    column("TAX_AMOUNT", DataType::Money, Fill::Tax),
    maybe("REMARK", NOTE, 50, Fill::Note),
];

const DOCUMENT_ITEM: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(1)),
    column("DOC_NO", ascii(20), Fill::Code("D", 8)),
    column("LINE_NO", DataType::Int, Fill::LineNo),
    column("DOC_DATE", DataType::DateTime, Fill::Moment),
    column("ITEM_CODE", ascii(20), Fill::ItemCode),
    column("ITEM_NAME", text(120), Fill::ItemName),
    column("QUANTITY", decimal(18, 3), Fill::Quantity),
    column("AMOUNT", DataType::Money, Fill::Total),
];

const EPAYMENT: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(1)),
    column("LOG_DATE", DataType::DateTime2(7), Fill::Moment),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("PROVIDER", ascii(20), Fill::Pick(words::PAYMENTS)),
    column("AMOUNT", DataType::Money, Fill::Total),
    maybe("REQUEST", NOTE, 5, Fill::Note),
    maybe("RESPONSE", NOTE, 10, Fill::Note),
    column("HTTP_STATUS", DataType::SmallInt, Fill::Whole(200, 504)),
];

const fn empty(
    name: &'static str,
    columns: &'static [&'static [ColumnSpec]],
    date_column: &'static str,
) -> TableSpec {
    TableSpec {
        name,
        row_count: 0,
        date_column: Some(date_column),
        link: Link::OfBill,
        columns,
        primary_key: &["ID"],
        unique: None,
        dated: true,
    }
}

/// The tables of sales, in the order of the work log.
pub(super) static TABLES: [TableSpec; 10] = [
    TableSpec {
        name: "APP_4_SALES",
        row_count: 44_579,
        date_column: Some("SALES_DATE"),
        link: Link::Bill,
        columns: &[SALES, PLACE, AUDIT],
        primary_key: &["ID"],
        unique: None,
        dated: true,
    },
    TableSpec {
        name: "APP_4_SALESITEM",
        row_count: 227_418,
        date_column: Some("SALES_DATE"),
        link: Link::Line,
        columns: &[ITEM, PLACE, AUDIT],
        primary_key: &["SALES_NO", "LINE_NO"],
        unique: None,
        dated: true,
    },
    TableSpec {
        name: "APP_4_PAYMENT",
        row_count: 44_125,
        date_column: Some("PAYMENT_DATE"),
        link: Link::OfBill,
        columns: &[PAYMENT, PLACE, AUDIT],
        primary_key: &["ID"],
        unique: None,
        dated: true,
    },
    // Small enough that the vendor never gave it a date index.
    TableSpec {
        name: "APP_4_VOIDSALESITEM",
        row_count: 2_912,
        date_column: Some("VOID_DATE"),
        link: Link::OfBill,
        columns: &[VOID, PLACE, AUDIT],
        primary_key: &["ID"],
        unique: None,
        dated: false,
    },
    empty("APP_4_SALESCREDITNOTE", &[DOCUMENT, PLACE, AUDIT], "DOC_DATE"),
    empty(
        "APP_4_SALESCREDITNOTEITEM",
        &[DOCUMENT_ITEM, PLACE, AUDIT],
        "DOC_DATE",
    ),
    empty("APP_4_SALESDEBITNOTE", &[DOCUMENT, PLACE, AUDIT], "DOC_DATE"),
    empty(
        "APP_4_SALESDEBITNOTEITEM",
        &[DOCUMENT_ITEM, PLACE, AUDIT],
        "DOC_DATE",
    ),
    empty("APP_4_EPAYMENTLOG", &[EPAYMENT, PLACE, AUDIT], "LOG_DATE"),
    TableSpec {
        name: "APP_4_VOUCHER",
        row_count: 73_670,
        date_column: Some("ISSUE_DATE"),
        link: Link::Own,
        columns: &[VOUCHER, AUDIT],
        primary_key: &["VOUCHER_ID"],
        unique: None,
        dated: true,
    },
];

/// All tables, in the order in which they are filled and copied: those of sales, then the reference tables.
pub(super) fn all() -> impl Iterator<Item = &'static TableSpec> {
    TABLES.iter().chain(&REFERENCE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::Identifier;
    use std::collections::HashSet;

    #[test]
    fn the_tables_are_those_of_the_work_log() {
        assert_eq!(
            TABLES.iter().map(|table| table.rows_at(1.0)).sum::<u64>(),
            392_704
        );
        assert_eq!(
            TABLES.iter().filter(|table| table.rows_at(0.0001) == 0).count(),
            5
        );
    }

    #[test]
    fn columns_are_fifteen_to_forty_and_named_once() {
        for table in &TABLES {
            let names: Vec<_> = table.columns().map(|column| column.name).collect();
            assert!(
                (15..=40).contains(&names.len()),
                "{}: {}",
                table.name,
                names.len()
            );
            assert_eq!(
                names.iter().collect::<HashSet<_>>().len(),
                names.len(),
                "{}",
                table.name
            );
            let not_null: Vec<_> = table
                .columns()
                .filter(|column| column.null_percent == 0)
                .map(|column| column.name)
                .collect();
            assert!(
                table.primary_key.iter().all(|key| not_null.contains(key)),
                "{}",
                table.name
            );
            let date = table.date_column.expect("sales have dates");
            assert!(not_null.contains(&date), "{}", table.name);
        }
    }

    #[test]
    fn a_table_is_made_with_its_key_and_its_date_index() {
        let schema = Identifier::new("C").unwrap();
        let sql = TABLES[1].create_sql(&schema);
        assert!(
            sql.starts_with("CREATE TABLE [C].[APP_4_SALESITEM] ([SALES_NO] varchar(20) NOT NULL, "),
            "{sql}"
        );
        assert!(
            sql.ends_with("CONSTRAINT [PK_APP_4_SALESITEM] PRIMARY KEY CLUSTERED ([SALES_NO], [LINE_NO]))"),
            "{sql}"
        );
        assert!(TABLES[1].index_sql(&schema)[0].ends_with("([SALES_DATE])"));
        assert!(TABLES[3].index_sql(&schema).is_empty());
    }
}
