//! The words of the demo's rows: texts of a Malaysian restaurant chain's tills, in its languages.

pub(super) const OUTLETS: &[&str] = &[
    "Marina Kuala Lumpur",
    "Bukit Bintang 武吉免登",
    "Petaling Jaya SS2",
    "Subang Jaya 梳邦再也",
    "Shah Alam Seksyen 7",
    "Pulau Pinang 槟城 Gurney",
    "Ipoh 怡保 Old Town",
    "Johor Bahru 新山 City Square",
    "Melaka Jonker 鸡场街",
    "Kota Kinabalu 亚庇",
    "Kuching 古晋 Waterfront",
    "Kota Bharu Jalan Hamzah",
    "Kuantan Teluk Cempedak",
    "Alor Setar Jalan Putra",
    "Seremban 芙蓉 2",
    "Putrajaya Presint 8",
];

pub(super) const CASHIERS: &[&str] = &[
    "Nurul Aisyah binti Ismail",
    "Muhammad Hafiz bin Rahman",
    "陈美玲",
    "林志强",
    "Siti Nurhaliza Osman",
    "Kavitha a/p Subramaniam",
    "Ravi a/l Muthu",
    "黄慧敏 (Wong)",
    "Ahmad Faiz",
    "D'Cruz Anthony",
    "José Peñalosa",
    "Dayang Norliza 🌺",
];

pub(super) const CUSTOMERS: &[&str] = &[
    "Tan Ah Kow 陈亚九",
    "Lim Siew Ling 林秀玲",
    "Wan Azizah binti Wan Daud",
    "Encik Kamarul Ariffin",
    "Puan Zaharah 💐",
    "李国华",
    "王小明",
    "Priya Nair பிரியா",
    "Ong & Sons Sdn. Bhd.",
    "Syarikat Maju Jaya 🚚",
    "O'Brien, Sean",
    "Nguyễn Thị Hoa",
];

/// The items on sale: code, name, category, price in sen.
pub(super) const ITEMS: &[(&str, &str, &str, i64)] = &[
    ("NL-001", "Nasi Lemak Ayam Rendang 椰浆饭", "Nasi", 1490),
    ("NL-002", "Nasi Lemak Biasa", "Nasi", 690),
    ("NG-010", "Nasi Goreng Kampung 🌶️", "Nasi", 1190),
    ("CR-004", "海南鸡饭 Hainanese Chicken Rice", "Nasi", 1250),
    ("MG-003", "Mee Goreng Mamak", "Mi 面食", 1050),
    ("CK-007", "Char Kuey Teow 炒粿条", "Mi 面食", 1290),
    ("LK-002", "Laksa Pulau Pinang 槟城叻沙", "Mi 面食", 1350),
    ("WT-005", "云吞面 Wantan Mee", "Mi 面食", 1150),
    ("FC-101", "Crispy Chicken 2 pcs 🍗", "Ayam", 1590),
    ("FC-103", "Crispy Chicken 5 pcs 🍗", "Ayam", 3490),
    ("BG-020", "Burger Daging Special \"Double\"", "Burger", 1690),
    ("BG-021", "Fish Burger 鱼堡", "Burger", 1390),
    ("SD-001", "Kentang Goreng (L) 🍟", "Sampingan", 790),
    ("SD-006", "Satay 10 cucuk 沙爹", "Sampingan", 1800),
    ("SD-009", "Roti Canai + Kari", "Sampingan", 350),
    ("DR-001", "Teh Tarik 拉茶", "Minuman 饮料", 380),
    ("DR-002", "Kopi O Ais 冰咖啡乌", "Minuman 饮料", 420),
    ("DR-008", "Milo Dinosaur 🦕", "Minuman 饮料", 750),
    ("DR-011", "Sirap Bandung 🌹", "Minuman 饮料", 490),
    ("DS-001", "Cendol 煎蕊", "Pencuci mulut", 690),
    ("DS-002", "ABC Ais Kacang 红豆冰", "Pencuci mulut", 790),
    ("DS-005", "Ondeh-ondeh 6 biji", "Pencuci mulut", 600),
    ("ST-100", "Set Keluarga 全家福 👨‍👩‍👧‍👦", "Set", 8990),
    ("ST-101", "Set Berdua 双人套餐 ❤️", "Set", 4290),
];

pub(super) const NOTES: &[&str] = &[
    "Kurang manis",
    "少冰，少糖",
    "Tak nak bawang, extra sambal 🌶️🌶️",
    "不要辣 — 小孩吃的",
    "Birthday table 🎂 candles please",
    "Pelanggan tunggu di luar; panggil nama",
    "Allergy: peanuts ⚠️",
    "打包",
    "Bungkus asing-asing,\nkuah asing",
    "\"Best nasi lemak in town\" 👍🏽",
    "  leading and trailing blanks  ",
    "50% off per manager's approval",
];

pub(super) const REASONS: &[&str] = &[
    "Salah pesanan",
    "Customer changed mind",
    "客人取消",
    "Stok habis 售罄",
    "Test by manager",
    "Double entry",
];

pub(super) const PAYMENTS: &[&str] = &[
    "CASH",
    "VISA",
    "MASTERCARD",
    "TNG EWALLET",
    "GRABPAY",
    "BOOST",
    "DUITNOW QR",
];

pub(super) const CHANNELS: &[&str] = &[
    "DINE-IN",
    "TAKEAWAY",
    "DRIVE-THRU",
    "GRABFOOD",
    "FOODPANDA",
    "KIOSK",
];

pub(super) const CAMPAIGNS: &[&str] = &[
    "Merdeka RM5 Off 🇲🇾",
    "Deepavali 🪔 Family Set",
    "11.11 Jualan Gila 🛒",
    "中秋节 Mooncake 🥮",
    "Member Birthday 🎂",
    "Back to School",
];

pub(super) const DOCUMENT_REASONS: &[&str] = &["Price correction", "Goods returned 退货", "Pelarasan GST"];

pub(super) const TIERS: &[&str] = &["CLASSIC", "SILVER", "GOLD", "PLATINUM"];

pub(super) const POINT_KINDS: &[&str] = &["EARN", "EARN", "EARN", "REDEEM", "EXPIRE", "ADJUST"];
