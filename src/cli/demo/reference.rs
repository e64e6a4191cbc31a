//! The demo's nine reference tables: the master data of a chain's head office, compared whole by every run.
//!
//! Keys come from the row's number alone, so that they are unique at every scale.

use super::spec::{ColumnSpec, Fill, Link, NOTE, TableSpec, ascii, column, decimal, maybe, text};
use super::words;
use crate::model::table::{DataType, Length};

/// Items that a shop has in stock: 315 shops times 557 are just more than the work log's 175,297 rows.
const STOCKED: u64 = 557;

const DRAWER: &[ColumnSpec] = &[
    column("DRAWER_ID", DataType::Int, Fill::Id(1)),
    column("OUTLET_CODE", ascii(10), Fill::OutletCode),
    column("TERMINAL_ID", DataType::SmallInt, Fill::Till),
    column("CASHIER_ID", DataType::Int, Fill::CashierId),
    column("CASHIER_NAME", text(80), Fill::Cashier),
    column("OPENED_AT", DataType::DateTime, Fill::Moment),
    maybe("CLOSED_AT", DataType::DateTime, 5, Fill::After(36_000)),
    column("OPENING_FLOAT", DataType::Money, Fill::Rate(100_000, 500_000)),
    maybe("COUNTED_CASH", DataType::Money, 5, Fill::Rate(100_000, 9_000_000)),
    maybe("DIFFERENCE", DataType::SmallMoney, 60, Fill::Tax),
    column("IS_BALANCED", DataType::Bit, Fill::Flag(88)),
    maybe("REMARK", text(200), 90, Fill::Note),
];

const CUSTOMER: &[ColumnSpec] = &[
    column("CUSTOMER_ID", DataType::BigInt, Fill::Id(1_000_001)),
    column("MEMBER_NO", ascii(20), Fill::Serial("M", 9)),
    column("CUSTOMER_NAME", text(120), Fill::Customer),
    maybe("PHONE", ascii(20), 5, Fill::Phone),
    maybe("EMAIL", text(100), 40, Fill::Email),
    maybe("BIRTHDAY", DataType::Date, 35, Fill::Earlier(18 * 365, 75 * 365)),
    column("TIER", ascii(10), Fill::Pick(words::TIERS)),
    column("HOME_OUTLET", ascii(10), Fill::OutletCode),
    column("JOINED_AT", DataType::DateTime, Fill::Moment),
    column("POINT_BALANCE", decimal(18, 3), Fill::Rate(0, 9_000_000)),
    column("TOTAL_SPENT", DataType::Money, Fill::Rate(0, 90_000_000)),
    column("IS_ACTIVE", DataType::Bit, Fill::Flag(93)),
    column("ACCEPTS_MAIL", DataType::Bit, Fill::Flag(41)),
    column("ROW_GUID", DataType::UniqueIdentifier, Fill::Guid),
    maybe("UPDATED_AT", DataType::DateTime2(7), 50, Fill::After(8_000_000)),
    maybe("REMARK", NOTE, 97, Fill::Note),
];

/// Set meals taken apart: this vendor's customer does not use them.
const EXTENDED: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(1)),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("LINE_NO", DataType::Int, Fill::LineNo),
    column("PART_NO", DataType::SmallInt, Fill::Whole(1, 9)),
    column("ITEM_CODE", ascii(20), Fill::ItemCode),
    column("ITEM_NAME", text(120), Fill::ItemName),
    column("QUANTITY", decimal(18, 3), Fill::Quantity),
    column("AMOUNT", DataType::Money, Fill::Total),
    maybe("REMARK", NOTE, 90, Fill::Note),
];

const ITEM: &[ColumnSpec] = &[
    column("ITEM_CODE", ascii(20), Fill::CatalogCode(u64::MAX)),
    column("ITEM_NAME", text(120), Fill::CatalogName),
    column("CATEGORY", text(40), Fill::Category),
    column("PRICE", DataType::Money, Fill::Price),
    maybe("COST", decimal(19, 5), 15, Fill::Rate(100, 40_000)),
    column("TAX_CODE", DataType::Char(4), Fill::Pick(&["SST6", "NONE"])),
    column("UOM", DataType::NChar(4), Fill::Pick(&["UNIT", "SET", "份"])),
    maybe("BARCODE", ascii(14), 30, Fill::Code("955", 10)),
    maybe("WEIGHT_GRAMS", DataType::Real, 50, Fill::Measure),
    column("IS_ACTIVE", DataType::Bit, Fill::Flag(80)),
    column("IS_HALAL", DataType::Bit, Fill::Flag(97)),
    column("SORT_ORDER", DataType::SmallInt, Fill::Whole(0, 999)),
    column("CREATED_AT", DataType::SmallDateTime, Fill::Moment),
    maybe("UPDATED_AT", DataType::DateTime2(3), 40, Fill::After(8_000_000)),
    maybe(
        "PICTURE_HASH",
        DataType::VarBinary(Length::N(32)),
        70,
        Fill::Bytes(32, 32),
    ),
    maybe("DESCRIPTION", NOTE, 75, Fill::Note),
];

const POINT: &[ColumnSpec] = &[
    column("RECORD_ID", DataType::BigInt, Fill::Id(1)),
    column("MEMBER_NO", ascii(20), Fill::MemberNo),
    column("RECORD_DATE", DataType::DateTime, Fill::Moment),
    column("KIND", ascii(10), Fill::Pick(words::POINT_KINDS)),
    column("POINTS", DataType::Int, Fill::Whole(-500, 500)),
    column("AMOUNT", DataType::Money, Fill::Total),
    column("OUTLET_CODE", ascii(10), Fill::OutletCode),
    maybe("EXPIRES_ON", DataType::Date, 30, Fill::Earlier(-730, -365)),
    column("IS_REVERSED", DataType::Bit, Fill::Flag(1)),
    maybe("REMARK", text(200), 97, Fill::Note),
];

/// Deliveries go through the platforms, whose systems keep them.
const DELIVERY: &[ColumnSpec] = &[
    column("ID", DataType::BigInt, Fill::Id(1)),
    column("SALES_NO", ascii(20), Fill::SalesNo),
    column("RIDER_NAME", text(80), Fill::Customer),
    column("PHONE", ascii(20), Fill::Phone),
    column("ADDRESS", NOTE, Fill::Note),
    column("FEE", DataType::SmallMoney, Fill::Tax),
    maybe("SENT_AT", DataType::DateTimeOffset(3), 10, Fill::Zoned),
    maybe("DELIVERED_AT", DataType::DateTimeOffset(3), 20, Fill::Zoned),
];

const STOCK: &[ColumnSpec] = &[
    column("LOCATION", text(20), Fill::PlaceCode(STOCKED)),
    column("ITEM_CODE", ascii(20), Fill::CatalogCode(STOCKED)),
    column("QUANTITY", decimal(18, 3), Fill::Rate(-5_000, 500_000)),
    column("RESERVED", decimal(18, 3), Fill::Rate(0, 9_000)),
    maybe("REORDER_LEVEL", DataType::Float, 40, Fill::Measure),
    maybe("AVERAGE_COST", decimal(19, 5), 20, Fill::Rate(100, 40_000)),
    maybe("COUNTED_ON", DataType::Date, 30, Fill::Day),
    maybe(
        "BIN",
        DataType::NChar(6),
        65,
        Fill::Pick(&["A-01", "B-12", "冷房"]),
    ),
    column("IS_BLOCKED", DataType::Bit, Fill::Flag(2)),
    column("UPDATED_AT", DataType::DateTime2(3), Fill::Moment),
];

const VOUCHER_MASTER: &[ColumnSpec] = &[
    column("MASTER_ID", DataType::Int, Fill::Id(100)),
    column("CAMPAIGN", text(60), Fill::Pick(words::CAMPAIGNS)),
    column("PREFIX", DataType::Char(4), Fill::Pick(&["MB", "MBX", "VIP"])),
    column("FACE_VALUE", DataType::SmallMoney, Fill::Price),
    column("DISCOUNT_RATE", decimal(9, 4), Fill::Rate(0, 500)),
    column("VALID_FROM", DataType::Date, Fill::Day),
    column("VALID_UNTIL", DataType::Date, Fill::Earlier(-400, -30)),
    maybe("DAILY_FROM", DataType::Time(3), 70, Fill::Clock),
    column("QUOTA", DataType::Int, Fill::Whole(0, 50_000)),
    column("IS_STACKABLE", DataType::Bit, Fill::Flag(10)),
    column("ROW_GUID", DataType::UniqueIdentifier, Fill::Guid),
    maybe("TERMS", NOTE, 30, Fill::Note),
];

const LOCATION: &[ColumnSpec] = &[
    column("LOCATION_CODE", text(20), Fill::PlaceCode(1)),
    column("LOCATION_NAME", text(60), Fill::PlaceName),
    column("MANAGER", text(80), Fill::Cashier),
    maybe("PHONE", ascii(20), 10, Fill::Phone),
    maybe("EMAIL", text(100), 30, Fill::Email),
    column("OPENED_ON", DataType::Date, Fill::Day),
    column("LATITUDE", decimal(9, 6), Fill::Rate(1_000, 6_700)),
    column("LONGITUDE", decimal(9, 6), Fill::Rate(99_700, 119_200)),
    column("SEATS", DataType::SmallInt, Fill::Whole(12, 240)),
    column("IS_DRIVE_THRU", DataType::Bit, Fill::Flag(25)),
    column("PRICE_LEVEL", DataType::TinyInt, Fill::Whole(1, 5)),
    maybe("SYNCED_AT", DataType::DateTimeOffset(3), 15, Fill::Zoned),
    maybe("REMARK", NOTE, 85, Fill::Note),
];

const fn reference(
    name: &'static str,
    row_count: u64,
    columns: &'static [&'static [ColumnSpec]],
    primary_key: &'static [&'static str],
) -> TableSpec {
    TableSpec {
        name,
        row_count,
        date_column: None,
        link: Link::Reference,
        columns,
        primary_key,
        unique: None,
        dated: false,
    }
}

/// The tables, in the order of the work log.
pub(super) static REFERENCE: [TableSpec; 9] = [
    reference("APP_4_CASHIER_DRAWER", 3_102, &[DRAWER], &["DRAWER_ID"]),
    TableSpec {
        unique: Some("MEMBER_NO"),
        ..reference("APP_4_CUSTOMER", 905_321, &[CUSTOMER], &["CUSTOMER_ID"])
    },
    reference("APP_4_EXTENDEDSALESITEM", 0, &[EXTENDED], &["ID"]),
    reference("APP_4_ITEM", 10_304, &[ITEM], &["ITEM_CODE"]),
    reference("APP_4_POINTRECORD", 3_734_108, &[POINT], &["RECORD_ID"]),
    reference("APP_4_SALESDELIVERY", 0, &[DELIVERY], &["ID"]),
    reference("APP_4_STOCK", 175_297, &[STOCK], &["LOCATION", "ITEM_CODE"]),
    reference("APP_4_VOUCHER_MASTER", 1_806, &[VOUCHER_MASTER], &["MASTER_ID"]),
    reference("LOCATION_DETAIL", 315, &[LOCATION], &["LOCATION_CODE"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::table::Identifier;
    use std::collections::HashSet;

    #[test]
    fn the_tables_are_those_of_the_work_log() {
        let all: u64 = REFERENCE.iter().map(|table| table.rows_at(1.0)).sum();
        assert_eq!(all, 4_830_253);
        let empty = REFERENCE.iter().filter(|table| table.rows_at(0.00001) == 0);
        assert_eq!(empty.count(), 2);
        assert!(REFERENCE.iter().all(|table| table.date_column.is_none()));
    }

    #[test]
    fn columns_are_eight_to_sixteen_and_named_once() {
        for table in &REFERENCE {
            let names: Vec<_> = table.columns().map(|column| column.name).collect();
            assert!((8..=16).contains(&names.len()), "{}: {}", table.name, names.len());
            assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
            assert_eq!(
                table.key_positions().len(),
                table.primary_key.len(),
                "{}",
                table.name
            );
            for position in table.key_positions() {
                let key = table.columns().nth(position).unwrap();
                assert_eq!(key.null_percent, 0, "{}.{}", table.name, key.name);
            }
        }
    }

    #[test]
    fn customers_have_a_unique_member_number() {
        let schema = Identifier::new("C").unwrap();
        assert_eq!(
            REFERENCE[1].index_sql(&schema),
            [
                "CREATE UNIQUE NONCLUSTERED INDEX [UX_APP_4_CUSTOMER_MEMBER_NO] ON [C].[APP_4_CUSTOMER] \
                 ([MEMBER_NO])"
            ]
        );
        assert!(REFERENCE[6].index_sql(&schema).is_empty());
        let sql = REFERENCE[6].create_sql(&schema);
        assert!(
            sql.ends_with("PRIMARY KEY CLUSTERED ([LOCATION], [ITEM_CODE]))"),
            "{sql}"
        );
    }
}
