-- The statements that sync sends, for the tables of tests/it/statements.rs: those at the source first, by kind.
-- Names in brackets are of that test. Values are parameters, @P1 and so on. SOURCE and TARGET are the databases.

-- at the source: SELECT
IF 1 = 1
    SELECT 1 AS [proven]
GO

-- at the source: SELECT
SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], DB_NAME() AS [database_name], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS [updateability], @@VERSION AS [version], CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS [product_version], CAST(SERVERPROPERTY(N'EngineEdition') AS nvarchar(128)) AS [engine_edition], SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]
GO

-- at the source: SELECT
SELECT COL_LENGTH(N'sys.columns', N'is_masked') AS [masks], COL_LENGTH(N'sys.columns', N'encryption_type') AS [encryption], OBJECT_ID(N'sys.security_predicates') AS [predicates], OBJECT_ID(N'sys.security_policies') AS [policies], CASE WHEN USER_NAME() = N'dbo' THEN 1 ELSE HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'VIEW DEFINITION') END AS [view_definition], HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'ALTER ANY SECURITY POLICY') AS [alter_policy]
GO

-- at the source: SELECT
SELECT OBJECT_ID(N'sys.dm_exec_requests') AS [requests], OBJECT_ID(N'sys.dm_os_wait_stats') AS [waits], OBJECT_ID(N'sys.dm_hadr_database_replica_states') AS [replica], HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE') AS [state], HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE') AS [performance]
GO

-- at the source: SELECT
SELECT SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]
GO

-- at the source: SELECT COUNT dbo.ITEM
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[ITEM]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.KIND
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[KIND]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.NODE
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[NODE]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.NOKEY
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[NOKEY]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.PAYMENT
IF 1 = 1
    SELECT CAST([PAID_AT] AS date), COUNT_BIG(*)
    FROM [dbo].[PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) GROUP BY CAST([PAID_AT] AS date)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.PAYMENT
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[PAYMENT]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.PAYMENT
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3))
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.SALES
IF 1 = 1
    SELECT CAST([SOLD_AT] AS date), COUNT_BIG(*)
    FROM [dbo].[SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime) GROUP BY CAST([SOLD_AT] AS date)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.SALES
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[SALES]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.SALES
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.T
IF 1 = 1
    SELECT CAST(NULL AS date), COUNT_BIG(*)
    FROM [dbo].[T] AS t
    WHERE [D] IS NULL
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.T
IF 1 = 1
    SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM [dbo].[T] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) GROUP BY CAST([D] AS date)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.T
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[T]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.T
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.T
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[T]
    WHERE [D] IS NULL
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.TILL
IF 1 = 1
    SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM [dbo].[TILL] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) GROUP BY CAST([D] AS date)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.TILL
IF 1 = 1
    SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM [dbo].[TILL] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] <= CAST(@P2 AS datetime) AND ([D] < CAST(@P2 AS datetime) OR ([D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int))) GROUP BY CAST([D] AS date)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.TILL
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[TILL]
    WHERE 1 = 1
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT COUNT dbo.TILL
IF 1 = 1
    SELECT COUNT_BIG(*)
    FROM [dbo].[TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.ITEM
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[ITEM]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.ITEM
IF 1 = 1
    SELECT TOP (0) [CODE], [NAME]
    FROM [dbo].[ITEM]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.KIND
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[KIND]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.KIND
IF 1 = 1
    SELECT TOP (0) [CODE], [NAME]
    FROM [dbo].[KIND]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.NODE
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[NODE]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.NODE
IF 1 = 1
    SELECT TOP (0) [ID], [PARENT], [NAME]
    FROM [dbo].[NODE]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.NOKEY
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[NOKEY]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.NOKEY
IF 1 = 1
    SELECT TOP (0) [A]
    FROM [dbo].[NOKEY]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.PAYMENT
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[PAYMENT]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.PAYMENT
IF 1 = 1
    SELECT TOP (0) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.SALES
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[SALES]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.SALES
IF 1 = 1
    SELECT TOP (0) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[SALES]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.T
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[T]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.T
IF 1 = 1
    SELECT TOP (0) [ID], [D], [NOTE]
    FROM [dbo].[T]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.TILL
IF 1 = 1
    SELECT TOP (0) *
    FROM [dbo].[TILL]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT TOP (0) dbo.TILL
IF 1 = 1
    SELECT TOP (0) [ID], [D]
    FROM [dbo].[TILL]
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT dbo.ITEM
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[ITEM]
    WHERE 1 = 1
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.ITEM
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[ITEM]
    WHERE [CODE] <= CAST(@P2 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.ITEM
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[ITEM]
    WHERE [CODE] > CAST(@P2 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.KIND
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[KIND]
    WHERE 1 = 1
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.KIND
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[KIND]
    WHERE [CODE] <= CAST(@P2 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.KIND
/* all */ IF 1 = 1
    SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[KIND]
    WHERE [CODE] > CAST(@P2 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [CODE]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.NODE
/* all */ IF 1 = 1
    SELECT TOP (@P1) [ID], [PARENT], [NAME]
    FROM [dbo].[NODE]
    WHERE 1 = 1
    ORDER BY [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.NODE
/* all */ IF 1 = 1
    SELECT TOP (@P1) [ID], [PARENT], [NAME]
    FROM [dbo].[NODE]
    WHERE [ID] <= CAST(@P2 AS int)
    ORDER BY [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.NODE
/* all */ IF 1 = 1
    SELECT TOP (@P1) [ID], [PARENT], [NAME]
    FROM [dbo].[NODE]
    WHERE [ID] > CAST(@P2 AS int)
    ORDER BY [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.NOKEY
/* all */ IF 1 = 1
    SELECT TOP (@P1) [A]
    FROM [dbo].[NOKEY]
    WHERE 1 = 1
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P5 AS int) AND (CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P7 AS int)))
    ORDER BY [STORE], [NO]) AS piece
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [STORE], [NO]) AS piece
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P7 AS int) AND CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [STORE], [NO]) AS piece) AS t
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) AND [STORE] < CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [STORE], [NO]) AS piece
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) AND [STORE] = CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P5 AS int)
    ORDER BY [STORE], [NO]) AS piece) AS t
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) AND [STORE] = CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P5 AS int)
    ORDER BY [STORE], [NO]) AS piece
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM (SELECT TOP (@P1) [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) AND [STORE] > CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    ORDER BY [STORE], [NO]) AS piece) AS t
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P5 AS int) AND [NO] <= CAST(@P7 AS int)
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3)) AND [STORE] >= CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND ([STORE] > CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR ([STORE] = CAST(@P4 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P5 AS int)))
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.PAYMENT
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[PAYMENT]
    WHERE [PAID_AT] >= CAST(@P2 AS datetime2(3)) AND [PAID_AT] < CAST(@P3 AS datetime2(3))
    ORDER BY [STORE], [NO]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    ORDER BY [SOLD_AT], [ID]) AS piece
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P4 AS datetime)
    ORDER BY [SOLD_AT], [ID]) AS piece
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] = CAST(@P4 AS datetime) AND [ID] <= CAST(@P5 AS int)
    ORDER BY [SOLD_AT], [ID]) AS piece) AS t
    ORDER BY [SOLD_AT], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] > CAST(@P4 AS int)
    ORDER BY [SOLD_AT], [ID]) AS piece
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] > CAST(@P3 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    ORDER BY [SOLD_AT], [ID]) AS piece) AS t
    ORDER BY [SOLD_AT], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] >= CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    ORDER BY [SOLD_AT], [ID]) AS piece
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
    ORDER BY [SOLD_AT], [ID]) AS piece) AS t
    ORDER BY [SOLD_AT], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] >= CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    ORDER BY [SOLD_AT], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[SALES]
    WHERE [SOLD_AT] >= CAST(@P3 AS datetime) AND ([SOLD_AT] > CAST(@P3 AS datetime) OR ([SOLD_AT] = CAST(@P3 AS datetime) AND [ID] > CAST(@P4 AS int))) AND [SOLD_AT] < CAST(@P2 AS datetime)
    ORDER BY [SOLD_AT], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.SALES
IF 1 = 1
    SELECT u.[number], u.[day]
    FROM (SELECT TOP (2) 0 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P1 AS int)
    UNION ALL
    SELECT TOP (2) 1 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P2 AS int)
    UNION ALL
    SELECT TOP (2) 2 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P3 AS int)
    UNION ALL
    SELECT TOP (2) 3 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P4 AS int)
    UNION ALL
    SELECT TOP (2) 4 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P5 AS int)
    UNION ALL
    SELECT TOP (2) 5 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P6 AS int)
    UNION ALL
    SELECT TOP (2) 6 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P7 AS int)
    UNION ALL
    SELECT TOP (2) 7 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P8 AS int)
    UNION ALL
    SELECT TOP (2) 8 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P9 AS int)
    UNION ALL
    SELECT TOP (2) 9 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P10 AS int)
    UNION ALL
    SELECT TOP (2) 10 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P11 AS int)
    UNION ALL
    SELECT TOP (2) 11 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P12 AS int)
    UNION ALL
    SELECT TOP (2) 12 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P13 AS int)
    UNION ALL
    SELECT TOP (2) 13 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P14 AS int)
    UNION ALL
    SELECT TOP (2) 14 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P15 AS int)
    UNION ALL
    SELECT TOP (2) 15 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P16 AS int)
    UNION ALL
    SELECT TOP (2) 16 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P17 AS int)
    UNION ALL
    SELECT TOP (2) 17 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P18 AS int)
    UNION ALL
    SELECT TOP (2) 18 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P19 AS int)
    UNION ALL
    SELECT TOP (2) 19 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P20 AS int)
    UNION ALL
    SELECT TOP (2) 20 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P21 AS int)
    UNION ALL
    SELECT TOP (2) 21 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P22 AS int)
    UNION ALL
    SELECT TOP (2) 22 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P23 AS int)
    UNION ALL
    SELECT TOP (2) 23 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P24 AS int)
    UNION ALL
    SELECT TOP (2) 24 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P25 AS int)
    UNION ALL
    SELECT TOP (2) 25 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P26 AS int)
    UNION ALL
    SELECT TOP (2) 26 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P27 AS int)
    UNION ALL
    SELECT TOP (2) 27 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P28 AS int)
    UNION ALL
    SELECT TOP (2) 28 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P29 AS int)
    UNION ALL
    SELECT TOP (2) 29 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P30 AS int)) AS u
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT dbo.SALES
IF 1 = 1
    SELECT u.[number], u.[day]
    FROM (SELECT TOP (2) 0 AS [number], CAST([SOLD_AT] AS date) AS [day]
    FROM [dbo].[SALES]
    WHERE [ID] = CAST(@P1 AS int)) AS u
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT dbo.T
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM (SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    ORDER BY [D], [ID]) AS piece
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P4 AS datetime)
    ORDER BY [D], [ID]) AS piece
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] = CAST(@P4 AS datetime) AND [ID] <= CAST(@P5 AS int)
    ORDER BY [D], [ID]) AS piece) AS t
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.T
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM (SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] = CAST(@P3 AS datetime) AND [ID] > CAST(@P4 AS int)
    ORDER BY [D], [ID]) AS piece
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] > CAST(@P3 AS datetime) AND [D] < CAST(@P2 AS datetime)
    ORDER BY [D], [ID]) AS piece) AS t
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.T
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM (SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] >= CAST(@P2 AS datetime) AND [D] < CAST(@P3 AS datetime)
    ORDER BY [D], [ID]) AS piece
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM (SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
    ORDER BY [D], [ID]) AS piece) AS t
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.T
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] >= CAST(@P2 AS datetime) AND [D] < CAST(@P3 AS datetime)
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.T
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] >= CAST(@P3 AS datetime) AND ([D] > CAST(@P3 AS datetime) OR ([D] = CAST(@P3 AS datetime) AND [ID] > CAST(@P4 AS int))) AND [D] < CAST(@P2 AS datetime)
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.T
/* undated */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[T]
    WHERE [D] IS NULL
    ORDER BY [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.TILL
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D]
    FROM [dbo].[TILL]
    WHERE [D] >= CAST(@P2 AS datetime) AND [D] < CAST(@P3 AS datetime)
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.TILL
/* 2025-10 */ IF 1 = 1
    SELECT TOP (@P1) [ID], [D]
    FROM [dbo].[TILL]
    WHERE [D] >= CAST(@P3 AS datetime) AND ([D] > CAST(@P3 AS datetime) OR ([D] = CAST(@P3 AS datetime) AND [ID] > CAST(@P4 AS int))) AND [D] < CAST(@P2 AS datetime)
    ORDER BY [D], [ID]
    OPTION (MAXDOP 1, RECOMPILE)
GO

-- at the source: SELECT dbo.TILL
IF 1 = 1
    SELECT u.[number], u.[day]
    FROM (SELECT TOP (2) 0 AS [number], CAST([D] AS date) AS [day]
    FROM [dbo].[TILL]
    WHERE [ID] = CAST(@P1 AS int)) AS u
    OPTION (MAXDOP 1)
GO

-- at the source: SELECT sys.columns
SELECT c.name AS [column_name], c.is_masked, c.encryption_type, COALESCE(HAS_PERMS_BY_NAME(@P2, N'OBJECT', N'UNMASK', c.name, N'COLUMN'), HAS_PERMS_BY_NAME(@P2, N'OBJECT', N'UNMASK'), HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK'), 0) AS [unmask]
    FROM sys.columns AS c
    WHERE c.object_id = @P1 AND (c.is_masked = 1 OR c.encryption_type IS NOT NULL)
    ORDER BY c.column_id
GO

-- at the source: SELECT sys.columns, sys.tables, …
SELECT c.object_id, c.name AS [column_name], c.is_masked, c.encryption_type, COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'UNMASK', c.name, N'COLUMN'), HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'UNMASK'), HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK'), 0) AS [unmask]
    FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND (c.is_masked = 1 OR c.encryption_type IS NOT NULL)
    ORDER BY c.object_id, c.column_id
GO

-- at the source: SELECT sys.columns, sys.tables, …
SELECT c.object_id, c.name AS [column_name], ty.name AS [type_name], ty.is_user_defined, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name, base.name AS [base_type_name]
    FROM sys.columns AS c JOIN sys.tables AS t ON t.object_id = c.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id LEFT JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
    WHERE s.name = @P1
    ORDER BY c.object_id, c.column_id
GO

-- at the source: SELECT sys.columns, sys.types
SELECT c.name AS [column_name], ty.name AS [type_name], ty.is_user_defined, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name, base.name AS [base_type_name]
    FROM sys.columns AS c LEFT JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
    WHERE c.object_id = @P1
    ORDER BY c.column_id
GO

-- at the source: SELECT sys.databases
SELECT create_date, CAST(service_broker_guid AS nvarchar(36)) AS [guid]
    FROM sys.databases
    WHERE name = DB_NAME()
GO

-- at the source: SELECT sys.databases
SELECT is_in_standby, source_database_id, snapshot_isolation_state, is_read_committed_snapshot_on
    FROM sys.databases
    WHERE name = DB_NAME()
GO

-- at the source: SELECT sys.dm_exec_requests, sys.dm_exec_sessions
SELECT b.[blocked]
    FROM (SELECT 1 AS [one]) AS [one] CROSS JOIN (SELECT COUNT_BIG(*) AS [blocked]
    FROM sys.dm_exec_requests AS r JOIN sys.dm_exec_sessions AS o ON o.session_id = r.blocking_session_id JOIN sys.dm_exec_sessions AS w ON w.session_id = r.session_id
    WHERE LEFT(r.wait_type, 6) = N'LCK_M_' AND LEFT(o.program_name, CHARINDEX(N'/', o.program_name + N'/') - 1) = LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1) AND LEFT(COALESCE(w.program_name, N''), CHARINDEX(N'/', COALESCE(w.program_name, N'') + N'/') - 1) <> LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1)) AS b
GO

-- at the source: SELECT sys.dm_exec_requests, sys.dm_exec_sessions, …
SELECT b.[blocked], CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], w.[page_count], w.[page_ms], w.[log_count], w.[log_ms], w.[starved], h.[is_primary_replica], h.[synchronization_state], h.[is_suspended], h.[secondary_lag_seconds], h.[redo_queue_size], h.[log_send_queue_size], h.[last_received_time], SYSDATETIME() AS [now]
    FROM (SELECT 1 AS [one]) AS [one] CROSS JOIN (SELECT COUNT_BIG(*) AS [blocked]
    FROM sys.dm_exec_requests AS r JOIN sys.dm_exec_sessions AS o ON o.session_id = r.blocking_session_id JOIN sys.dm_exec_sessions AS w ON w.session_id = r.session_id
    WHERE LEFT(r.wait_type, 6) = N'LCK_M_' AND LEFT(o.program_name, CHARINDEX(N'/', o.program_name + N'/') - 1) = LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1) AND LEFT(COALESCE(w.program_name, N''), CHARINDEX(N'/', COALESCE(w.program_name, N'') + N'/') - 1) <> LEFT(APP_NAME(), CHARINDEX(N'/', APP_NAME() + N'/') - 1)) AS b CROSS JOIN (SELECT SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN waiting_tasks_count ELSE 0 END) AS [page_count], SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN wait_time_ms ELSE 0 END) AS [page_ms], SUM(CASE WHEN wait_type = N'WRITELOG' THEN waiting_tasks_count ELSE 0 END) AS [log_count], SUM(CASE WHEN wait_type = N'WRITELOG' THEN wait_time_ms ELSE 0 END) AS [log_ms], SUM(CASE WHEN wait_type IN (N'THREADPOOL', N'RESOURCE_SEMAPHORE') THEN waiting_tasks_count ELSE 0 END) AS [starved]
    FROM sys.dm_os_wait_stats
    WHERE wait_type IN (N'PAGEIOLATCH_DT', N'PAGEIOLATCH_EX', N'PAGEIOLATCH_KP', N'PAGEIOLATCH_NL', N'PAGEIOLATCH_SH', N'PAGEIOLATCH_UP', N'WRITELOG', N'THREADPOOL', N'RESOURCE_SEMAPHORE')) AS w LEFT JOIN sys.dm_hadr_database_replica_states AS h ON h.database_id = DB_ID() AND h.is_local = 1
GO

-- at the source: SELECT sys.dm_hadr_database_replica_states
SELECT h.[is_primary_replica], h.[synchronization_state], h.[is_suspended], h.[secondary_lag_seconds], h.[redo_queue_size], h.[log_send_queue_size], h.[last_received_time], SYSDATETIME() AS [now]
    FROM (SELECT 1 AS [one]) AS [one] LEFT JOIN sys.dm_hadr_database_replica_states AS h ON h.database_id = DB_ID() AND h.is_local = 1
GO

-- at the source: SELECT sys.dm_hadr_database_replica_states, sys.dm_hadr_availability_replica_states, …
SELECT g.name AS [group_name], s.role_desc, r.availability_mode, r.secondary_role_allow_connections_desc, d.synchronization_state_desc, d.is_suspended
    FROM sys.dm_hadr_database_replica_states AS d LEFT JOIN sys.dm_hadr_availability_replica_states AS s ON s.replica_id = d.replica_id AND s.is_local = 1 LEFT JOIN sys.availability_replicas AS r ON r.replica_id = d.replica_id LEFT JOIN sys.availability_groups AS g ON g.group_id = d.group_id
    WHERE d.database_id = DB_ID() AND d.is_local = 1
GO

-- at the source: SELECT sys.dm_os_wait_stats
SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], w.[page_count], w.[page_ms], w.[log_count], w.[log_ms], w.[starved]
    FROM (SELECT 1 AS [one]) AS [one] CROSS JOIN (SELECT SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN waiting_tasks_count ELSE 0 END) AS [page_count], SUM(CASE WHEN wait_type LIKE N'PAGEIOLATCH%' THEN wait_time_ms ELSE 0 END) AS [page_ms], SUM(CASE WHEN wait_type = N'WRITELOG' THEN waiting_tasks_count ELSE 0 END) AS [log_count], SUM(CASE WHEN wait_type = N'WRITELOG' THEN wait_time_ms ELSE 0 END) AS [log_ms], SUM(CASE WHEN wait_type IN (N'THREADPOOL', N'RESOURCE_SEMAPHORE') THEN waiting_tasks_count ELSE 0 END) AS [starved]
    FROM sys.dm_os_wait_stats
    WHERE wait_type IN (N'PAGEIOLATCH_DT', N'PAGEIOLATCH_EX', N'PAGEIOLATCH_KP', N'PAGEIOLATCH_NL', N'PAGEIOLATCH_SH', N'PAGEIOLATCH_UP', N'WRITELOG', N'THREADPOOL', N'RESOURCE_SEMAPHORE')) AS w
GO

-- at the source: SELECT sys.indexes, sys.index_columns, …
SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.has_filter, i.is_disabled, ic.is_descending_key, ic.key_ordinal, ic.partition_ordinal, c.name AS [column_name]
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0
    ORDER BY i.index_id, ic.key_ordinal, ic.index_column_id
GO

-- at the source: SELECT sys.indexes, sys.index_columns, …
SELECT i.object_id, i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.has_filter, i.is_disabled, ic.is_descending_key, ic.key_ordinal, ic.partition_ordinal, c.name AS [column_name]
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id JOIN sys.tables AS t ON t.object_id = i.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND i.is_hypothetical = 0
    ORDER BY i.object_id, i.index_id, ic.key_ordinal, ic.index_column_id
GO

-- at the source: SELECT sys.partitions
SELECT SUM(p.rows) AS [row_count]
    FROM sys.partitions AS p
    WHERE p.object_id = @P1 AND p.index_id IN (0, 1)
GO

-- at the source: SELECT sys.partitions, sys.tables, …
SELECT p.object_id, SUM(p.rows) AS [row_count]
    FROM sys.partitions AS p JOIN sys.tables AS t ON t.object_id = p.object_id JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND p.index_id IN (0, 1) GROUP BY p.object_id
GO

-- at the source: SELECT sys.security_predicates, sys.security_policies
SELECT DISTINCT SCHEMA_NAME(p.schema_id) AS [schema_name], p.name AS [policy_name]
    FROM sys.security_predicates AS d JOIN sys.security_policies AS p ON p.object_id = d.object_id
    WHERE d.target_object_id = @P1 AND d.predicate_type = 0 AND p.is_enabled = 1
GO

-- at the source: SELECT sys.tables, sys.databases
SELECT CAST(snapshot_isolation_state AS int) AS [snapshot], CAST(is_read_committed_snapshot_on AS int) AS [committed_snapshot], CASE WHEN EXISTS (SELECT 1
    FROM sys.tables
    WHERE is_memory_optimized = 1) THEN 1 ELSE 0 END AS [memory_optimized], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS [updateability]
    FROM sys.databases
    WHERE name = DB_NAME()
GO

-- at the source: SELECT sys.tables, sys.schemas
SELECT t.object_id, t.create_date, s.name AS [schema_name], t.name AS [table_name]
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND t.name = @P2
GO

-- at the source: SELECT sys.tables, sys.schemas
SELECT t.object_id, t.create_date, t.name AS [table_name], HAS_PERMS_BY_NAME(QUOTENAME(s.name) + N'.' + QUOTENAME(t.name), N'OBJECT', N'SELECT') AS [may_select]
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND t.is_ms_shipped = 0 AND t.is_external = 0
    ORDER BY t.name
GO

-- at the source: SET
SET NOCOUNT OFF;
SET XACT_ABORT ON;
SET LOCK_TIMEOUT 60000;
SET DEADLOCK_PRIORITY LOW;
SET ANSI_NULLS ON;
SET ANSI_PADDING ON;
SET ANSI_WARNINGS ON;
SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON;
SET QUOTED_IDENTIFIER ON;
SET NUMERIC_ROUNDABORT OFF;
SET TEXTSIZE 2147483647;
SET ROWCOUNT 0;
SET IMPLICIT_TRANSACTIONS OFF;
SET LANGUAGE us_english;
SET DATEFORMAT ymd;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO

-- at the target: ALTER dbo.t_ITEM__sync
ALTER TABLE [dbo].[t_ITEM__sync] SET (LOCK_ESCALATION = DISABLE)
GO

-- at the target: ALTER dbo.t_PAYMENT
ALTER TABLE [dbo].[t_PAYMENT] SET (LOCK_ESCALATION = DISABLE)
GO

-- at the target: ALTER dbo.t_SALES
ALTER TABLE [dbo].[t_SALES] SET (LOCK_ESCALATION = DISABLE)
GO

-- at the target: ALTER dbo.t_T
ALTER TABLE [dbo].[t_T] SET (LOCK_ESCALATION = DISABLE)
GO

-- at the target: ALTER dbo.t_TILL
ALTER TABLE [dbo].[t_TILL] SET (LOCK_ESCALATION = DISABLE)
GO

-- at the target: ALTER sync.receipt
-- The seal of a receipt: a keyed hash over all that it proves, if [target] receipt_key is set, else NULL. ALTER TABLE [sync].[receipt] ADD [seal] binary(32) NULL;
GO

-- at the target: BEGIN
BEGIN TRANSACTION
GO

-- at the target: BEGIN + CREATE + COMMIT dbo.t_PAYMENT
BEGIN TRANSACTION;
CREATE TABLE [dbo].[t_PAYMENT] ([STORE] varchar(10) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL, [NO] int NOT NULL, [PAID_AT] datetime2(3) NOT NULL, [AMOUNT] decimal(12,2) NULL, CONSTRAINT [PK_t_PAYMENT] PRIMARY KEY CLUSTERED ([STORE], [NO]));
CREATE INDEX [IX_t_PAYMENT] ON [dbo].[t_PAYMENT] ([PAID_AT], [STORE], [NO]);
COMMIT TRANSACTION;
GO

-- at the target: BEGIN + CREATE + COMMIT dbo.t_SALES
BEGIN TRANSACTION;
CREATE TABLE [dbo].[t_SALES] ([ID] int NOT NULL, [SOLD_AT] datetime NOT NULL, [BOOKED_AT] datetime NOT NULL, [CODE] int NOT NULL, [AMOUNT] money NULL, [NOTE] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, CONSTRAINT [PK_t_SALES] PRIMARY KEY NONCLUSTERED ([ID]));
CREATE UNIQUE CLUSTERED INDEX [CX_t_SALES] ON [dbo].[t_SALES] ([SOLD_AT], [ID]);
COMMIT TRANSACTION;
GO

-- at the target: BEGIN + CREATE + COMMIT dbo.t_T
BEGIN TRANSACTION;
CREATE TABLE [dbo].[t_T] ([ID] int NOT NULL, [D] datetime NULL, [NOTE] nvarchar(max) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, CONSTRAINT [PK_t_T] PRIMARY KEY NONCLUSTERED ([ID]));
CREATE UNIQUE CLUSTERED INDEX [CX_t_T] ON [dbo].[t_T] ([D], [ID]);
COMMIT TRANSACTION;
GO

-- at the target: BEGIN + CREATE + COMMIT dbo.t_TILL
BEGIN TRANSACTION;
CREATE TABLE [dbo].[t_TILL] ([ID] int NOT NULL, [D] datetime NOT NULL, CONSTRAINT [PK_t_TILL] PRIMARY KEY NONCLUSTERED ([ID]));
CREATE UNIQUE CLUSTERED INDEX [CX_t_TILL] ON [dbo].[t_TILL] ([D], [ID]);
COMMIT TRANSACTION;
GO

-- at the target: COMMIT
COMMIT TRANSACTION
GO

-- at the target: CREATE dbo.t_ITEM__sync
CREATE STATISTICS [ST_NAME] ON [dbo].[t_ITEM__sync] ([NAME])
GO

-- at the target: CREATE dbo.t_ITEM__sync
CREATE TABLE [dbo].[t_ITEM__sync] ([CODE] nvarchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL, [NAME] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, CONSTRAINT [PK_t_ITEM_g1] PRIMARY KEY CLUSTERED ([CODE]))
GO

-- at the target: CREATE dbo.t_ITEM__sync
CREATE TABLE [dbo].[t_ITEM__sync] ([CODE] nvarchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL, [NAME] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, CONSTRAINT [PK_t_ITEM_g2] PRIMARY KEY CLUSTERED ([CODE]))
GO

-- at the target: CREATE dbo.t_ITEM__sync
CREATE TABLE [dbo].[t_ITEM__sync] ([CODE] nvarchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS NOT NULL, [NAME] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, CONSTRAINT [PK_t_ITEM_g3] PRIMARY KEY CLUSTERED ([CODE]))
GO

-- at the target: CREATE dbo.t_NOKEY__sync
CREATE TABLE [dbo].[t_NOKEY__sync] ([A] int NULL)
GO

-- at the target: CREATE is, sync.plan
-- How a target table is loaded: what must not change between runs. CREATE TABLE [sync].[plan] ( [table_name] nvarchar(257) NOT NULL, [access_path] nvarchar(16) NOT NULL, [fingerprint] nvarchar(max) NOT NULL, [planned_at] datetime2(3) NOT NULL, CONSTRAINT [PK_sync_plan] PRIMARY KEY ([table_name]) );
GO

-- at the target: CREATE sync.migration
CREATE TABLE [sync].[migration] ( [version] int NOT NULL, [name] nvarchar(128) NOT NULL, [applied_at] datetime2(3) NOT NULL, CONSTRAINT [PK_sync_migration] PRIMARY KEY ([version]) );
GO

-- at the target: CREATE sync.receipt
-- One row a chunk, committed with the chunk's rows. state: loading (inside the load's transaction only), -- verified, stale (rows of it moved to another chunk). Keys are canonical bytes (docs/format.md). CREATE TABLE [sync].[receipt] ( [table_name] nvarchar(257) NOT NULL, [window_start] date NOT NULL, [window_end] date NOT NULL, [ordinal] int NOT NULL, [state] nvarchar(16) NOT NULL, [load_id] binary(16) NOT NULL, [run_id] binary(16) NOT NULL, [epoch] bigint NOT NULL, [key_after] varbinary(max) NULL, [key_through] varbinary(max) NULL, [row_count] bigint NOT NULL, [byte_count] bigint NOT NULL, [digest] binary(32) NOT NULL, [target_object_id] int NOT NULL, [target_created] nvarchar(23) NOT NULL, [loaded_at] datetime2(3) NOT NULL, CONSTRAINT [PK_sync_receipt] PRIMARY KEY ([table_name], [window_start], [ordinal]) );
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_PAYMENT, #load
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int)));
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS;
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS;
    INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int)))
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_PAYMENT, #load
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int);
    INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_PAYMENT, #load
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS;
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int);
    INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_PAYMENT, #load
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int);
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS;
    INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int)
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_SALES, #load
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int);
    INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_SALES, #load
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime);
    INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_SALES, #load
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int);
    INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_T, #load
DELETE
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int);
DELETE
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P1 AS datetime) AND [D] < CAST(@P3 AS datetime);
DELETE
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int);
    INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P1 AS datetime) AND [D] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_T, #load
DELETE
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime);
DELETE
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int);
    INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: DELETE + INSERT + SELECT dbo.t_T, #load
DELETE
    FROM [dbo].[t_T]
    WHERE [D] IS NULL;
    INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'stale', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, CAST(@P15 AS varbinary(max)), CAST(@P16 AS varbinary(max)), NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'stale', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, NULL, CAST(@P15 AS varbinary(max)), NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'verified', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, CAST(@P15 AS varbinary(max)), CAST(@P16 AS varbinary(max)), NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'verified', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, CAST(@P15 AS varbinary(max)), NULL, NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'verified', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, NULL, CAST(@P15 AS varbinary(max)), NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT + SELECT sync.receipt, sys.tables, …
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P4;
    INSERT INTO [sync].[receipt] ([table_name], [window_start], [window_end], [ordinal], [state], [load_id], [run_id], [epoch], [row_count], [byte_count], [digest], [target_object_id], [target_created], [key_after], [key_through], [seal], [loaded_at])
    SELECT @P1, @P2, @P3, @P4, N'verified', CAST(@P5 AS binary(16)), CAST(@P6 AS binary(16)), @P7, @P8, @P9, CAST(@P10 AS binary(32)), @P11, @P12, NULL, NULL, NULL, SYSUTCDATETIME()
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P13 AND t.name = @P14 AND t.object_id = CAST(@P11 AS int);
    SELECT @@ROWCOUNT AS [written]
GO

-- at the target: DELETE + INSERT sync.plan
DELETE
    FROM [sync].[plan]
    WHERE [table_name] = @P1;
    INSERT INTO [sync].[plan] ([table_name], [access_path], [fingerprint], [planned_at])
    VALUES (@P1, @P2, @P3, SYSUTCDATETIME())
GO

-- at the target: DELETE + SELECT dbo.t_SALES
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int);
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
GO

-- at the target: DELETE + SELECT dbo.t_SALES
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int);
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: DELETE + SELECT dbo.t_TILL
DELETE
    FROM [dbo].[t_TILL]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int);
DELETE
    FROM [dbo].[t_TILL]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime);
    SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime)
GO

-- at the target: DELETE dbo.t_KIND, #load
DELETE t
    FROM [dbo].[t_KIND] AS t
    WHERE [CODE] <= CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)))
GO

-- at the target: DELETE dbo.t_KIND, #load
DELETE t
    FROM [dbo].[t_KIND] AS t
    WHERE [CODE] > CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)))
GO

-- at the target: DELETE dbo.t_NODE
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE (([ID] <= CAST(@P1 AS int)) OR ([ID] > CAST(@P2 AS int)))
GO

-- at the target: DELETE dbo.t_NODE
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] <= CAST(@P1 AS int)
GO

-- at the target: DELETE dbo.t_NODE
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] > CAST(@P1 AS int)
GO

-- at the target: DELETE dbo.t_NODE, #load
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE (([ID] <= CAST(@P1 AS int)) OR ([ID] > CAST(@P2 AS int))) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: DELETE dbo.t_NODE, #load
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] <= CAST(@P1 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: DELETE dbo.t_NODE, #load
DELETE t
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] > CAST(@P1 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: DELETE dbo.t_PAYMENT
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS;
DELETE
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int);
GO

-- at the target: DELETE dbo.t_PAYMENT, #load
DELETE t
    FROM [dbo].[t_PAYMENT] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
GO

-- at the target: DELETE dbo.t_SALES
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime);
GO

-- at the target: DELETE dbo.t_SALES
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime);
DELETE
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int);
GO

-- at the target: DELETE dbo.t_SALES, #load
DELETE t
    FROM [dbo].[t_SALES] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: DELETE dbo.t_T, #load
DELETE t
    FROM [dbo].[t_T] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: DELETE sync.plan
DELETE
    FROM [sync].[plan]
    WHERE [table_name] = @P1
GO

-- at the target: DELETE sync.receipt
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1
GO

-- at the target: DELETE sync.receipt
DELETE
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] >= @P2 AND [window_start] < @P3
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] int NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] int NULL, [c2] datetime2(7) NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] int NULL, [c2] datetime2(7) NULL, [c3] datetime2(7) NULL, [c4] int NULL, [c5] varchar(41) COLLATE SQL_Latin1_General_CP1_CI_AS NULL, [c6] nvarchar(40) NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] int NULL, [c2] datetime2(7) NULL, [c3] nvarchar(max) NULL, [sync_row] int NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] int NULL, [c2] int NULL, [c3] nvarchar(20) NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] nvarchar(10) NULL, [c2] int NULL, [c3] datetime2(3) NULL, [c4] varchar(41) COLLATE SQL_Latin1_General_CP1_CI_AS NULL)
GO

-- at the target: DROP + CREATE #load
DROP TABLE IF EXISTS #load;
CREATE TABLE #load ([c1] nvarchar(20) NULL, [c2] nvarchar(40) NULL)
GO

-- at the target: DROP dbo.t_ITEM
DROP TABLE IF EXISTS [dbo].[t_ITEM]
GO

-- at the target: DROP dbo.t_NOKEY
DROP TABLE IF EXISTS [dbo].[t_NOKEY]
GO

-- at the target: EXEC
-- The schema that proves what was loaded: who may write a target table, by which plan, and a receipt a chunk. -- Batches are separated by lines that say GO. The script runs in one transaction. IF SCHEMA_ID(N'sync') IS NULL EXEC(N'CREATE SCHEMA [sync]');
GO

-- at the target: EXEC + SELECT sp_getapplock
DECLARE @r int;
EXEC @r = sp_getapplock @Resource = @P1, @LockMode = N'Exclusive', @LockOwner = N'Session', @LockTimeout = @P2;
    SELECT @r AS [answer]
GO

-- at the target: EXEC + SELECT sp_releaseapplock
DECLARE @r int;
EXEC @r = sp_releaseapplock @Resource = @P1, @LockOwner = N'Session';
    SELECT @r AS [answer]
GO

-- at the target: EXEC sp_rename
EXEC sp_rename @objname = @P1, @newname = @P2, @objtype = N'OBJECT'
GO

-- at the target: INSERT #load, dbo.t_ITEM
INSERT INTO #load ([c1], [c2])
    SELECT [CODE], [NAME]
    FROM [dbo].[t_ITEM]
    WHERE [CODE] <= CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: INSERT + SELECT dbo.t_ITEM__sync, #load
INSERT INTO [dbo].[t_ITEM__sync] ([CODE], [NAME])
    SELECT [c1], [c2]
    FROM #load;
    SELECT [CODE], [NAME]
    FROM [dbo].[t_ITEM__sync]
    WHERE [CODE] <= CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: INSERT + SELECT dbo.t_ITEM__sync, #load
INSERT INTO [dbo].[t_ITEM__sync] ([CODE], [NAME])
    SELECT [c1], [c2]
    FROM #load;
    SELECT [CODE], [NAME]
    FROM [dbo].[t_ITEM__sync]
    WHERE [CODE] > CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: INSERT + SELECT dbo.t_NOKEY__sync, #load
INSERT INTO [dbo].[t_NOKEY__sync] ([A])
    SELECT [c1]
    FROM #load;
    SELECT [A]
    FROM [dbo].[t_NOKEY__sync]
    WHERE 1 = 1
GO

-- at the target: INSERT + SELECT dbo.t_PAYMENT, #load
INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int)))
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: INSERT + SELECT dbo.t_PAYMENT, #load
INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int)
GO

-- at the target: INSERT + SELECT dbo.t_PAYMENT, #load
INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int)
GO

-- at the target: INSERT + SELECT dbo.t_PAYMENT, #load
INSERT INTO [dbo].[t_PAYMENT] ([STORE], [NO], [PAID_AT], [AMOUNT])
    SELECT CAST([c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)), [c2], [c3], CAST([c4] AS decimal(12,2))
    FROM #load;
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int)
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: INSERT + SELECT dbo.t_SALES, #load
INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
GO

-- at the target: INSERT + SELECT dbo.t_SALES, #load
INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime)
GO

-- at the target: INSERT + SELECT dbo.t_SALES, #load
INSERT INTO [dbo].[t_SALES] ([ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), CAST([c3] AS datetime), [c4], CAST([c5] AS money), [c6]
    FROM #load;
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: INSERT + SELECT dbo.t_T, #load
INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime)
GO

-- at the target: INSERT + SELECT dbo.t_T, #load
INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: INSERT + SELECT dbo.t_T, #load
INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: INSERT + SELECT dbo.t_T, #load
INSERT INTO [dbo].[t_T] ([ID], [D], [NOTE])
    SELECT [c1], CAST([c2] AS datetime), [c3]
    FROM #load;
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: INSERT + SELECT dbo.t_TILL, #load
INSERT INTO [dbo].[t_TILL] ([ID], [D])
    SELECT [c1], CAST([c2] AS datetime)
    FROM #load;
    SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: INSERT + SELECT sync.lease
INSERT INTO [sync].[lease] ([table_name], [epoch], [run_id], [host], [process_id], [renewed_at])
    VALUES (@P1, @P5 + 1, CAST(@P2 AS binary(16)), @P3, @P4, SYSUTCDATETIME());
    SELECT [table_name], [epoch]
    FROM [sync].[lease]
    WHERE [table_name] = @P1
GO

-- at the target: INSERT BULK #load
INSERT BULK #load
GO

-- at the target: INSERT dbo.t_KIND, #load
INSERT INTO [dbo].[t_KIND] ([CODE], [NAME])
    SELECT CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)), CAST(l.[c2] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(40))
    FROM #load AS l
    WHERE NOT EXISTS (SELECT 1
    FROM [dbo].[t_KIND] AS t
    WHERE t.[CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)));
GO

-- at the target: INSERT dbo.t_NODE, #load
INSERT INTO [dbo].[t_NODE] ([ID], [PARENT], [NAME])
    SELECT CAST(l.[c1] AS int), CAST(l.[c2] AS int), CAST(l.[c3] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20))
    FROM #load AS l
    WHERE NOT EXISTS (SELECT 1
    FROM [dbo].[t_NODE] AS t
    WHERE t.[ID] = CAST(l.[c1] AS int));
GO

-- at the target: INSERT sync.migration
INSERT INTO [sync].[migration] ([version], [name], [applied_at])
    VALUES (@P1, @P2, SYSUTCDATETIME())
GO

-- at the target: ROLLBACK
IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION
GO

-- at the target: SELECT
SELECT CASE WHEN USER_NAME() = N'dbo' THEN 1 ELSE HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW DEFINITION') END AS [sees_grants], CASE WHEN USER_NAME() = N'dbo' THEN 1 ELSE COALESCE(HAS_PERMS_BY_NAME(QUOTENAME(DB_NAME()), N'DATABASE', N'VIEW ANY SENSITIVITY CLASSIFICATION'), 1) END AS [sees_classifications]
GO

-- at the target: SELECT
SELECT CAST(SERVERPROPERTY(N'ServerName') AS nvarchar(256)) AS [server_name], DB_NAME() AS [database_name], CAST(DATABASEPROPERTYEX(DB_NAME(), N'Updateability') AS nvarchar(128)) AS [updateability], @@VERSION AS [version], CAST(SERVERPROPERTY(N'ProductVersion') AS nvarchar(128)) AS [product_version], CAST(SERVERPROPERTY(N'EngineEdition') AS nvarchar(128)) AS [engine_edition], SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]
GO

-- at the target: SELECT
SELECT HAS_PERMS_BY_NAME(@P1, @P2, @P3)
GO

-- at the target: SELECT
SELECT OBJECT_ID(N'[sync].[migration]', N'U') AS [object_id]
GO

-- at the target: SELECT
SELECT SCHEMA_ID(@P1)
GO

-- at the target: SELECT
SELECT SYSDATETIME() AS [now], SYSUTCDATETIME() AS [now_utc]
GO

-- at the target: SELECT #load
SELECT TOP 0 *
    FROM #load
GO

-- at the target: SELECT COUNT dbo.t_ITEM
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_ITEM]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_ITEM
SELECT COUNT_BIG(*)
    FROM [dbo].[t_ITEM]
GO

-- at the target: SELECT COUNT dbo.t_ITEM
SELECT COUNT_BIG(*)
    FROM [dbo].[t_ITEM] AS t
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_ITEM
SELECT COUNT_BIG(*)
    FROM [dbo].[t_ITEM]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_ITEM, dbo.t_ITEM__sync
SELECT COUNT_BIG(*)
    FROM [dbo].[t_ITEM] AS t
    WHERE NOT EXISTS (SELECT 1
    FROM [dbo].[t_ITEM__sync] AS n
    WHERE t.[CODE] = n.[CODE])
GO

-- at the target: SELECT COUNT dbo.t_KIND
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_KIND]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_KIND
SELECT COUNT_BIG(*)
    FROM [dbo].[t_KIND] AS t
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_KIND
SELECT COUNT_BIG(*)
    FROM [dbo].[t_KIND]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NODE
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_NODE]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NODE
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NODE] AS t
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NODE
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NODE]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NOKEY
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_NOKEY]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NOKEY
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NOKEY]
GO

-- at the target: SELECT COUNT dbo.t_NOKEY
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NOKEY] AS t
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NOKEY
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NOKEY]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_NOKEY__sync
SELECT COUNT_BIG(*)
    FROM [dbo].[t_NOKEY__sync]
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int)))
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P7 AS datetime2(3)) AND [PAID_AT] < CAST(@P8 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P9 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P10 AS int) AND [NO] <= CAST(@P12 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P13 AS datetime2(3)) AND [PAID_AT] < CAST(@P14 AS datetime2(3)) AND [STORE] = CAST(@P15 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P16 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P13 AS datetime2(3)) AND [PAID_AT] < CAST(@P14 AS datetime2(3)) AND [STORE] > CAST(@P15 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3))
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3))
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P3 AS datetime2(3)) AND [PAID_AT] < CAST(@P4 AS datetime2(3))
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT CAST([PAID_AT] AS date), COUNT_BIG(*)
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) GROUP BY CAST([PAID_AT] AS date)
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT COUNT_BIG(*)
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3))
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT COUNT_BIG(*)
    FROM [dbo].[t_PAYMENT]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT
SELECT COUNT_BIG(*)
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3))
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int))) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_PAYMENT, #load
SELECT COUNT_BIG(*)
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P5 AS datetime) AND [ID] > CAST(@P6 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P5 AS datetime) AND [SOLD_AT] < CAST(@P7 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P7 AS datetime) AND [ID] <= CAST(@P8 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P10 AS datetime) AND [ID] > CAST(@P11 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P10 AS datetime) AND [SOLD_AT] < CAST(@P9 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P4 AS datetime) AND [ID] > CAST(@P5 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P4 AS datetime) AND [SOLD_AT] < CAST(@P6 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P6 AS datetime) AND [ID] <= CAST(@P7 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P8 AS datetime) AND [ID] > CAST(@P9 AS int)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P8 AS datetime) AND [SOLD_AT] < CAST(@P10 AS datetime)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P10 AS datetime) AND [ID] <= CAST(@P11 AS int)
    UNION ALL
    SELECT 3 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P13 AS datetime) AND [ID] > CAST(@P14 AS int)
    UNION ALL
    SELECT 3 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P13 AS datetime) AND [SOLD_AT] < CAST(@P12 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P3 AS datetime) AND [SOLD_AT] < CAST(@P4 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT CAST([SOLD_AT] AS date), COUNT_BIG(*)
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime) GROUP BY CAST([SOLD_AT] AS date)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT COUNT_BIG(*)
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT COUNT_BIG(*)
    FROM [dbo].[t_SALES]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_SALES
SELECT COUNT_BIG(*)
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_SALES, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_SALES, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_SALES, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P5 AS datetime) AND [ID] > CAST(@P6 AS int)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P5 AS datetime) AND [D] < CAST(@P4 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P3 AS datetime) AND [D] < CAST(@P4 AS datetime)
    UNION ALL
    SELECT 2 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT CAST(NULL AS date), COUNT_BIG(*)
    FROM [dbo].[t_T] AS t
    WHERE [D] IS NULL
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM [dbo].[t_T] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) GROUP BY CAST([D] AS date)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT COUNT_BIG(*)
    FROM [dbo].[t_T] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT COUNT_BIG(*)
    FROM [dbo].[t_T] AS t
    WHERE [D] IS NULL
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT COUNT_BIG(*)
    FROM [dbo].[t_T]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT COUNT_BIG(*)
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_T
SELECT COUNT_BIG(*)
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: SELECT COUNT dbo.t_T, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_T, #load
SELECT COUNT_BIG(*)
    FROM (SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int) AND EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT 0 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT 1 AS [part], COUNT_BIG(*) AS [row_count]
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P3 AS datetime) AND [D] < CAST(@P4 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM (SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)) AS t GROUP BY CAST([D] AS date)
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT CAST([D] AS date), COUNT_BIG(*)
    FROM [dbo].[t_TILL] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) GROUP BY CAST([D] AS date)
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT COUNT_BIG(*)
    FROM (SELECT 1 AS [one]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT 1 AS [one]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime)) AS t
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT COUNT_BIG(*)
    FROM [dbo].[t_TILL] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT COUNT_BIG(*)
    FROM [dbo].[t_TILL]
    WHERE 1 = 1
GO

-- at the target: SELECT COUNT dbo.t_TILL
SELECT COUNT_BIG(*)
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT COUNT sync.receipt
SELECT [window_start], [window_end], COUNT_BIG(*) AS [chunks], SUM(CASE WHEN [state] = N'verified' THEN 1 ELSE 0 END) AS [verified], SUM(CASE WHEN [target_object_id] = @P2 AND [target_created] = @P3 THEN 1 ELSE 0 END) AS [here], SUM([row_count]) AS [rows], SUM([byte_count]) AS [bytes], SUM(CAST(CAST(SUBSTRING([load_id], 1, 4) AS int) AS bigint) + CAST(CAST(SUBSTRING([digest], 1, 4) AS int) AS bigint)) AS [marks]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 GROUP BY [window_start], [window_end]
GO

-- at the target: SELECT COUNT sys.change_tracking_tables
SELECT COUNT(*) AS [found]
    FROM sys.change_tracking_tables
    WHERE object_id = @P1
GO

-- at the target: SELECT COUNT sys.check_constraints
SELECT COUNT(*) AS [found]
    FROM sys.check_constraints
    WHERE parent_object_id = @P1
GO

-- at the target: SELECT COUNT sys.database_audit_specification_details
SELECT COUNT(*) AS [found]
    FROM sys.database_audit_specification_details
    WHERE major_id = @P1
GO

-- at the target: SELECT COUNT sys.database_permissions
SELECT COUNT(*) AS [found]
    FROM sys.database_permissions
    WHERE class = 1 AND major_id = @P1
GO

-- at the target: SELECT COUNT sys.default_constraints
SELECT COUNT(*) AS [found]
    FROM sys.default_constraints
    WHERE parent_object_id = @P1
GO

-- at the target: SELECT COUNT sys.extended_properties
SELECT COUNT(*) AS [found]
    FROM sys.extended_properties
    WHERE class IN (1, 7) AND major_id = @P1
GO

-- at the target: SELECT COUNT sys.foreign_keys
SELECT COUNT(*) AS [found]
    FROM sys.foreign_keys
    WHERE parent_object_id <> @P1 AND referenced_object_id = @P1
GO

-- at the target: SELECT COUNT sys.foreign_keys
SELECT COUNT(*) AS [found]
    FROM sys.foreign_keys
    WHERE parent_object_id = @P1 AND referenced_object_id <> @P1
GO

-- at the target: SELECT COUNT sys.foreign_keys
SELECT COUNT(*) AS [found]
    FROM sys.foreign_keys
    WHERE parent_object_id = @P1 AND referenced_object_id = @P1
GO

-- at the target: SELECT COUNT sys.foreign_keys
SELECT COUNT(*) AS [found]
    FROM sys.foreign_keys
    WHERE referenced_object_id = @P1
GO

-- at the target: SELECT COUNT sys.fulltext_indexes
SELECT COUNT(*) AS [found]
    FROM sys.fulltext_indexes
    WHERE object_id = @P1
GO

-- at the target: SELECT COUNT sys.indexes
SELECT COUNT(*) AS [found]
    FROM sys.indexes
    WHERE object_id = @P1 AND optimize_for_sequential_key = 1
GO

-- at the target: SELECT COUNT sys.indexes, sys.data_spaces
SELECT COUNT(*) AS [found]
    FROM sys.indexes AS i JOIN sys.data_spaces AS d ON d.data_space_id = i.data_space_id
    WHERE i.object_id = @P1 AND d.is_default = 0
GO

-- at the target: SELECT COUNT sys.masked_columns
SELECT COUNT(*) AS [found]
    FROM sys.masked_columns
    WHERE object_id = @P1 AND is_masked = 1
GO

-- at the target: SELECT COUNT sys.partitions
SELECT COUNT(*) AS [found]
    FROM sys.partitions
    WHERE object_id = @P1 AND (partition_number > 1 OR data_compression > 2 OR (index_id = 0 AND data_compression > 0))
GO

-- at the target: SELECT COUNT sys.security_predicates
SELECT COUNT(*) AS [found]
    FROM sys.security_predicates
    WHERE target_object_id = @P1
GO

-- at the target: SELECT COUNT sys.sensitivity_classifications
SELECT COUNT(*) AS [found]
    FROM sys.sensitivity_classifications
    WHERE class = 1 AND major_id = @P1
GO

-- at the target: SELECT COUNT sys.sql_expression_dependencies
SELECT COUNT(*) AS [found]
    FROM sys.sql_expression_dependencies
    WHERE referenced_id = @P1 AND is_schema_bound_reference = 1 AND referencing_id <> @P1
GO

-- at the target: SELECT COUNT sys.tables
SELECT COUNT(*) AS [found]
    FROM sys.tables
    WHERE object_id = @P1 AND (is_tracked_by_cdc = 1 OR is_replicated = 1 OR temporal_type <> 0)
GO

-- at the target: SELECT COUNT sys.tables
SELECT COUNT(*) AS [found]
    FROM sys.tables
    WHERE object_id = @P1 AND (text_in_row_limit > 0 OR large_value_types_out_of_row = 1)
GO

-- at the target: SELECT COUNT sys.tables
SELECT COUNT(*) AS [found]
    FROM sys.tables
    WHERE object_id = @P1 AND is_memory_optimized = 1
GO

-- at the target: SELECT COUNT sys.tables, sys.data_spaces
SELECT COUNT(*) AS [found]
    FROM sys.tables AS t JOIN sys.data_spaces AS d ON d.data_space_id = t.lob_data_space_id
    WHERE t.object_id = @P1 AND d.is_default = 0
GO

-- at the target: SELECT COUNT sys.tables, sys.schemas
SELECT COUNT(*) AS [found]
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND t.name = @P2 AND t.object_id = CAST(@P3 AS int)
GO

-- at the target: SELECT COUNT sys.triggers
SELECT COUNT(*) AS [found]
    FROM sys.triggers
    WHERE parent_id = @P1
GO

-- at the target: SELECT dbo.t_ITEM
SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[t_ITEM]
    ORDER BY [CODE]
GO

-- at the target: SELECT dbo.t_ITEM
SELECT [CODE], [NAME]
    FROM [dbo].[t_ITEM]
    WHERE [CODE] <= CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_ITEM
SELECT [CODE], [NAME]
    FROM [dbo].[t_ITEM]
    WHERE [CODE] > CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_KIND
SELECT TOP (@P1) [CODE], [NAME]
    FROM [dbo].[t_KIND]
    ORDER BY [CODE]
GO

-- at the target: SELECT dbo.t_KIND
SELECT [CODE], [NAME]
    FROM [dbo].[t_KIND]
    WHERE [CODE] <= CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_KIND
SELECT [CODE], [NAME]
    FROM [dbo].[t_KIND]
    WHERE [CODE] > CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_KIND, #load
SELECT [CODE]
    FROM [dbo].[t_KIND] AS t
    WHERE [CODE] > CAST(@P1 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_NODE
SELECT TOP (@P1) [ID], [PARENT], [NAME]
    FROM [dbo].[t_NODE]
    ORDER BY [ID]
GO

-- at the target: SELECT dbo.t_NODE
SELECT [ID], [PARENT], [NAME]
    FROM [dbo].[t_NODE]
    WHERE [ID] <= CAST(@P1 AS int)
GO

-- at the target: SELECT dbo.t_NODE
SELECT [ID], [PARENT], [NAME]
    FROM [dbo].[t_NODE]
    WHERE [ID] > CAST(@P1 AS int)
GO

-- at the target: SELECT dbo.t_NODE, #load
SELECT [ID]
    FROM [dbo].[t_NODE] AS t
    WHERE (([ID] <= CAST(@P1 AS int)) OR ([ID] > CAST(@P2 AS int))) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_NODE, #load
SELECT [ID]
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] <= CAST(@P1 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_NODE, #load
SELECT [ID]
    FROM [dbo].[t_NODE] AS t
    WHERE [ID] > CAST(@P1 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_NOKEY
SELECT TOP (@P1) [A]
    FROM [dbo].[t_NOKEY]
GO

-- at the target: SELECT dbo.t_NOKEY
SELECT [A]
    FROM [dbo].[t_NOKEY]
    WHERE 1 = 1
GO

-- at the target: SELECT dbo.t_PAYMENT
SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int)))
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_PAYMENT
SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int)
GO

-- at the target: SELECT dbo.t_PAYMENT
SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int)
GO

-- at the target: SELECT dbo.t_PAYMENT
SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int)
    UNION ALL
    SELECT CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS
GO

-- at the target: SELECT dbo.t_PAYMENT
SELECT TOP (@P1) CAST([STORE] AS nvarchar(10)), [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT]
    ORDER BY [STORE], [NO]
GO

-- at the target: SELECT dbo.t_PAYMENT, #load
SELECT CAST([STORE] AS nvarchar(10)), [NO]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int))) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P6 AS int) AND CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P5 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_PAYMENT, #load
SELECT CAST([STORE] AS nvarchar(10)), [NO]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] < CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P4 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_PAYMENT, #load
SELECT CAST([STORE] AS nvarchar(10)), [NO]
    FROM (SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    UNION ALL
    SELECT [STORE], [NO], [PAID_AT], [AMOUNT]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) AND [STORE] > CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_PAYMENT, #load
SELECT CAST([STORE] AS nvarchar(10)), [NO]
    FROM [dbo].[t_PAYMENT] AS t
    WHERE CASE WHEN [PAID_AT] >= CAST(@P1 AS datetime2(3)) AND [PAID_AT] < CAST(@P2 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P3 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P4 AS int) AND [NO] <= CAST(@P6 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_PAYMENT, #load
SELECT DISTINCT CAST(t.[PAID_AT] AS date)
    FROM [dbo].[t_PAYMENT] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[STORE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) AND t.[NO] = CAST(l.[c2] AS int))
GO

-- at the target: SELECT dbo.t_SALES
SELECT TOP (@P1) [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    ORDER BY [SOLD_AT], [ID]
GO

-- at the target: SELECT dbo.t_SALES
SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int)
GO

-- at the target: SELECT dbo.t_SALES
SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime)
GO

-- at the target: SELECT dbo.t_SALES
SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], CAST([AMOUNT] AS decimal(19,4)), [NOTE]
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT DISTINCT CAST(t.[SOLD_AT] AS date)
    FROM [dbo].[t_SALES] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT TOP (@P4) [SOLD_AT], [ID]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    ORDER BY t.[SOLD_AT], t.[ID]
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT TOP (@P5) [SOLD_AT], [ID]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    ORDER BY t.[SOLD_AT], t.[ID]
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT [SOLD_AT], [ID]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] > CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P3 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT [SOLD_AT], [ID]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] > CAST(@P2 AS datetime) AND [SOLD_AT] < CAST(@P1 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_SALES, #load
SELECT [SOLD_AT], [ID]
    FROM (SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] >= CAST(@P1 AS datetime) AND [SOLD_AT] < CAST(@P2 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [SOLD_AT], [BOOKED_AT], [CODE], [AMOUNT], [NOTE]
    FROM [dbo].[t_SALES] AS t
    WHERE [SOLD_AT] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_T
SELECT TOP (@P1) [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    ORDER BY [D], [ID]
GO

-- at the target: SELECT dbo.t_T
SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime)
GO

-- at the target: SELECT dbo.t_T
SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT dbo.t_T
SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: SELECT dbo.t_T
SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T]
    WHERE [D] IS NULL
GO

-- at the target: SELECT dbo.t_T, #load
SELECT DISTINCT CAST(t.[D] AS date)
    FROM [dbo].[t_T] AS t
    WHERE EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
GO

-- at the target: SELECT dbo.t_T, #load
SELECT [D], [ID]
    FROM (SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] = CAST(@P1 AS datetime) AND [ID] > CAST(@P2 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] > CAST(@P1 AS datetime) AND [D] < CAST(@P3 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] = CAST(@P3 AS datetime) AND [ID] <= CAST(@P4 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_T, #load
SELECT [D], [ID]
    FROM (SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D], [NOTE]
    FROM [dbo].[t_T] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_T, #load
SELECT [ID]
    FROM [dbo].[t_T] AS t
    WHERE [D] IS NULL AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_TILL
SELECT TOP (@P1) [ID], [D]
    FROM [dbo].[t_TILL]
    ORDER BY [D], [ID]
GO

-- at the target: SELECT dbo.t_TILL
SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
GO

-- at the target: SELECT dbo.t_TILL
SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P1 AS datetime) AND [D] < CAST(@P2 AS datetime)
    UNION ALL
    SELECT [ID], [D]
    FROM [dbo].[t_TILL]
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] <= CAST(@P3 AS int)
GO

-- at the target: SELECT dbo.t_TILL, #load
SELECT TOP (@P4) [D], [ID]
    FROM (SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    ORDER BY t.[D], t.[ID]
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT dbo.t_TILL, #load
SELECT [D], [ID]
    FROM (SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] = CAST(@P2 AS datetime) AND [ID] > CAST(@P3 AS int) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))
    UNION ALL
    SELECT [ID], [D]
    FROM [dbo].[t_TILL] AS t
    WHERE [D] > CAST(@P2 AS datetime) AND [D] < CAST(@P1 AS datetime) AND NOT EXISTS (SELECT 1
    FROM #load AS l
    WHERE t.[ID] = CAST(l.[c1] AS int))) AS t
    OPTION (HASH JOIN, MERGE JOIN)
GO

-- at the target: SELECT sync.lease
SELECT [table_name], [epoch]
    FROM [sync].[lease]
    WHERE [table_name] = @P1
GO

-- at the target: SELECT sync.migration
SELECT MAX([version]) AS [version]
    FROM [sync].[migration]
GO

-- at the target: SELECT sync.plan
SELECT [table_name]
    FROM [sync].[plan]
    ORDER BY [table_name]
GO

-- at the target: SELECT sync.plan
SELECT [table_name], [access_path], [fingerprint]
    FROM [sync].[plan]
    WHERE [table_name] = @P1
GO

-- at the target: SELECT sync.receipt
SELECT 1
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] > @P3 AND [load_id] = CAST(@P4 AS binary(16))
GO

-- at the target: SELECT sync.receipt
SELECT DISTINCT [window_start], [window_end]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1
    ORDER BY [window_start]
GO

-- at the target: SELECT sync.receipt
SELECT TOP (1) [ordinal]
    FROM [sync].[receipt]
    WHERE [table_name] IN (@P1)
GO

-- at the target: SELECT sync.receipt
SELECT [window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], [target_created]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND (([window_start] >= @P5 AND [window_start] <= @P2 AND [window_end] > @P3) OR [window_start] IN (@P4, @P6))
GO

-- at the target: SELECT sync.receipt
SELECT [window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], [target_created]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P2
    ORDER BY [ordinal]
GO

-- at the target: SELECT sync.receipt
SELECT [window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], [target_created]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] IN (@P2)
    ORDER BY [window_start], [ordinal]
GO

-- at the target: SELECT sync.receipt
SELECT [window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], [target_created]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] IN (@P2, @P3)
    ORDER BY [window_start], [ordinal]
GO

-- at the target: SELECT sync.receipt
SELECT [window_start], [window_end], [ordinal], [state], [load_id], [epoch], [key_after], [key_through], [row_count], [byte_count], [digest], [target_object_id], [target_created]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] IN (@P2, @P3, @P4)
    ORDER BY [window_start], [ordinal]
GO

-- at the target: SELECT sys.columns, sys.types
SELECT c.name AS [column_name]
    FROM sys.columns AS c LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
    WHERE c.object_id = @P1 AND c.is_nullable = 0 AND c.is_identity = 0 AND c.is_computed = 0 AND c.default_object_id = 0 AND c.generated_always_type = 0 AND COALESCE(base.name, N'') <> N'timestamp'
    ORDER BY c.column_id
GO

-- at the target: SELECT sys.columns, sys.types
SELECT c.name AS [column_name], ty.name AS [type_name], ty.is_user_defined, c.max_length, c.precision, c.scale, c.is_nullable, c.is_identity, c.is_computed, c.collation_name, base.name AS [base_type_name]
    FROM sys.columns AS c LEFT JOIN sys.types AS ty ON ty.user_type_id = c.user_type_id LEFT JOIN sys.types AS base ON base.user_type_id = c.system_type_id
    WHERE c.object_id = @P1
    ORDER BY c.column_id
GO

-- at the target: SELECT sys.databases
SELECT 1 AS [found]
    FROM sys.databases
    WHERE name = DB_NAME() AND delayed_durability = 2
GO

-- at the target: SELECT sys.databases
SELECT 1 AS [found]
    FROM sys.databases
    WHERE name = DB_NAME() AND is_read_committed_snapshot_on = 0
GO

-- at the target: SELECT sys.databases
SELECT 1 AS [found]
    FROM sys.databases
    WHERE name = DB_NAME() AND recovery_model = 1 AND COALESCE(CAST(SERVERPROPERTY(N'EngineEdition') AS nvarchar(128)), N'') NOT IN (N'5', N'8')
GO

-- at the target: SELECT sys.databases
SELECT create_date, CAST(NULL AS nvarchar(36)) AS [guid]
    FROM sys.databases
    WHERE name = DB_NAME()
GO

-- at the target: SELECT sys.databases
SELECT create_date, CAST(service_broker_guid AS nvarchar(36)) AS [guid]
    FROM sys.databases
    WHERE name = DB_NAME()
GO

-- at the target: SELECT sys.foreign_keys
SELECT f.name
    FROM sys.foreign_keys AS f
    WHERE f.parent_object_id = @P1 OR f.referenced_object_id = @P1
    ORDER BY f.name
GO

-- at the target: SELECT sys.foreign_keys, sys.tables
SELECT (SELECT COUNT(*)
    FROM sys.foreign_keys
    WHERE referenced_object_id = @P1 AND delete_referential_action <> 0 AND is_disabled = 0) AS [cascades], (SELECT COUNT(*)
    FROM sys.tables
    WHERE object_id = @P1 AND is_memory_optimized = 1) AS [in_memory]
GO

-- at the target: SELECT sys.indexes, sys.index_columns, …
SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.has_filter, i.is_disabled, ic.is_descending_key, ic.key_ordinal, ic.partition_ordinal, c.name AS [column_name]
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0
    ORDER BY i.index_id, ic.key_ordinal, ic.index_column_id
GO

-- at the target: SELECT sys.indexes, sys.index_columns, …
SELECT i.index_id, i.name AS [index_name], i.type, i.is_unique, i.is_primary_key, i.is_unique_constraint, i.has_filter, i.is_disabled, ic.is_descending_key, ic.is_included_column, c.name AS [column_name]
    FROM sys.indexes AS i JOIN sys.index_columns AS ic ON ic.object_id = i.object_id AND ic.index_id = i.index_id JOIN sys.columns AS c ON c.object_id = ic.object_id AND c.column_id = ic.column_id
    WHERE i.object_id = @P1 AND i.is_hypothetical = 0
    ORDER BY i.index_id, ic.is_included_column, ic.key_ordinal, ic.index_column_id
GO

-- at the target: SELECT sys.indexes, sys.partitions, …
SELECT i.index_id, i.fill_factor, i.is_padded, i.ignore_dup_key, i.allow_row_locks, i.allow_page_locks, s.no_recompute, p.data_compression
    FROM sys.indexes AS i JOIN sys.partitions AS p ON p.object_id = i.object_id AND p.index_id = i.index_id AND p.partition_number = 1 LEFT JOIN sys.stats AS s ON s.object_id = i.object_id AND s.stats_id = i.index_id
    WHERE i.object_id = @P1
GO

-- at the target: SELECT sys.objects
SELECT o.name
    FROM sys.objects AS o
    WHERE o.parent_object_id = @P1 AND o.type IN (N'TR', N'TA')
    ORDER BY o.name
GO

-- at the target: SELECT sys.partitions
SELECT SUM(p.rows) AS [row_count]
    FROM sys.partitions AS p
    WHERE p.object_id = @P1 AND p.index_id IN (0, 1) AND p.data_compression < 3 AND @@VERSION LIKE N'Microsoft %'
GO

-- at the target: SELECT sys.stats, sys.stats_columns, …
SELECT s.stats_id, s.name AS [statistics_name], s.no_recompute, s.has_filter, c.name AS [column_name]
    FROM sys.stats AS s JOIN sys.stats_columns AS sc ON sc.object_id = s.object_id AND sc.stats_id = s.stats_id JOIN sys.columns AS c ON c.object_id = sc.object_id AND c.column_id = sc.column_id
    WHERE s.object_id = @P1 AND s.user_created = 1
    ORDER BY s.stats_id, sc.stats_column_id
GO

-- at the target: SELECT sys.tables
SELECT lock_escalation
    FROM sys.tables
    WHERE object_id = @P1
GO

-- at the target: SELECT sys.tables, sys.schemas
SELECT t.object_id, t.create_date, s.name AS [schema_name], t.name AS [table_name]
    FROM sys.tables AS t JOIN sys.schemas AS s ON s.schema_id = t.schema_id
    WHERE s.name = @P1 AND t.name = @P2
GO

-- at the target: SET
SET LOCK_TIMEOUT 10000
GO

-- at the target: SET
SET LOCK_TIMEOUT 5000
GO

-- at the target: SET
SET LOCK_TIMEOUT 60000
GO

-- at the target: SET
SET NOCOUNT OFF;
SET XACT_ABORT ON;
SET LOCK_TIMEOUT 60000;
SET DEADLOCK_PRIORITY LOW;
SET ANSI_NULLS ON;
SET ANSI_PADDING ON;
SET ANSI_WARNINGS ON;
SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON;
SET QUOTED_IDENTIFIER ON;
SET NUMERIC_ROUNDABORT OFF;
SET TEXTSIZE 2147483647;
SET ROWCOUNT 0;
SET IMPLICIT_TRANSACTIONS OFF;
SET LANGUAGE us_english;
SET DATEFORMAT ymd;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED
GO

-- at the target: TRUNCATE #load
TRUNCATE TABLE #load
GO

-- at the target: UPDATE
UPDATE #load SET [c3] = @P1
    WHERE [sync_row] = @P2
GO

-- at the target: UPDATE + SELECT sync.lease
UPDATE [sync].[lease] SET [epoch] = CASE WHEN [epoch] < @P5 THEN @P5 ELSE [epoch] END + 1, [run_id] = CAST(@P2 AS binary(16)), [host] = @P3, [process_id] = @P4, [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1;
    SELECT [table_name], [epoch]
    FROM [sync].[lease]
    WHERE [table_name] = @P1
GO

-- at the target: UPDATE + SELECT sync.lease, dbo.t_TILL
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_TILL]
    WHERE [D] = CAST(@P5 AS datetime) AND [ID] > CAST(@P6 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_TILL]
    WHERE [D] > CAST(@P5 AS datetime) AND [D] < CAST(@P4 AS datetime)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_ITEM__sync]
    WHERE [CODE] <= CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_ITEM__sync]
    WHERE [CODE] > CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_KIND]
    WHERE [CODE] <= CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_KIND]
    WHERE [CODE] > CAST(@P6 COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_NODE]
    WHERE [ID] <= CAST(@P6 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_NODE]
    WHERE [ID] > CAST(@P6 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_NOKEY__sync]
    WHERE 1 = 1) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P9 AS int) AND (CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P10 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS OR (CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS = CAST(@P10 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P11 AS int)))) OR EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] > CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [STORE] < CAST(@P10 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS) OR EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P10 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P11 AS int) AND CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS < CAST(@P10 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE CASE WHEN [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) THEN 1 ELSE 0 END = 1 AND [STORE] = CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P9 AS int) AND [NO] <= CAST(@P11 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) AND [STORE] < CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS) OR EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) AND [STORE] = CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] <= CAST(@P9 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) AND [STORE] = CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS AND [NO] > CAST(@P9 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_PAYMENT]
    WHERE [PAID_AT] >= CAST(@P6 AS datetime2(3)) AND [PAID_AT] < CAST(@P7 AS datetime2(3)) AND [STORE] > CAST(@P8 COLLATE SQL_Latin1_General_CP1_CI_AS AS varchar(10)) COLLATE SQL_Latin1_General_CP1_CI_AS) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P6 AS datetime) AND [ID] > CAST(@P7 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P6 AS datetime) AND [SOLD_AT] < CAST(@P8 AS datetime)) OR EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P8 AS datetime) AND [ID] <= CAST(@P9 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P7 AS datetime) AND [ID] > CAST(@P8 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] > CAST(@P7 AS datetime) AND [SOLD_AT] < CAST(@P6 AS datetime)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] >= CAST(@P6 AS datetime) AND [SOLD_AT] < CAST(@P7 AS datetime)) OR EXISTS (SELECT 1
    FROM [dbo].[t_SALES]
    WHERE [SOLD_AT] = CAST(@P7 AS datetime) AND [ID] <= CAST(@P8 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_TILL]
    WHERE [D] >= CAST(@P6 AS datetime) AND [D] < CAST(@P7 AS datetime)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P6 AS datetime) AND [ID] > CAST(@P7 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P6 AS datetime) AND [D] < CAST(@P8 AS datetime)) OR EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P8 AS datetime) AND [ID] <= CAST(@P9 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P7 AS datetime) AND [ID] > CAST(@P8 AS int)) OR EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] > CAST(@P7 AS datetime) AND [D] < CAST(@P6 AS datetime)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P6 AS datetime) AND [D] < CAST(@P7 AS datetime)) OR EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] = CAST(@P7 AS datetime) AND [ID] <= CAST(@P8 AS int)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] >= CAST(@P6 AS datetime) AND [D] < CAST(@P7 AS datetime)) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE + SELECT sync.lease, sync.receipt, …
DECLARE @fenced int, @load_id binary(16);
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16));
SET @fenced = @@ROWCOUNT;
    SELECT @load_id = [load_id]
    FROM [sync].[receipt]
    WHERE [table_name] = @P1 AND [window_start] = @P4 AND [ordinal] = @P5 AND [state] = N'verified';
    SELECT @fenced AS [fenced], @load_id AS [load_id], CASE WHEN EXISTS (SELECT 1
    FROM [dbo].[t_T]
    WHERE [D] IS NULL) THEN 1 ELSE 0 END AS [occupied]
GO

-- at the target: UPDATE dbo.t_KIND, #load
UPDATE t SET [CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20)), [NAME] = CAST(l.[c2] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(40))
    FROM [dbo].[t_KIND] AS t JOIN #load AS l ON t.[CODE] = CAST(l.[c1] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20))
GO

-- at the target: UPDATE dbo.t_NODE, #load
UPDATE t SET [ID] = CAST(l.[c1] AS int), [PARENT] = CAST(l.[c2] AS int), [NAME] = CAST(l.[c3] COLLATE SQL_Latin1_General_CP1_CI_AS AS nvarchar(20))
    FROM [dbo].[t_NODE] AS t JOIN #load AS l ON t.[ID] = CAST(l.[c1] AS int)
GO

-- at the target: UPDATE sync.lease
UPDATE [sync].[lease] SET [renewed_at] = SYSUTCDATETIME()
    WHERE [table_name] = @P1 AND [epoch] = @P2 AND [run_id] = CAST(@P3 AS binary(16))
GO

-- at the target: UPDATE sync.plan
UPDATE [sync].[plan] SET [fingerprint] = @P2
    WHERE [table_name] = @P1
GO

-- at the target: UPDATE sync.receipt
UPDATE [sync].[receipt] SET [ordinal] = -1 - [ordinal]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] > @P3
GO

-- at the target: UPDATE sync.receipt
UPDATE [sync].[receipt] SET [ordinal] = -[ordinal]
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] < 0
GO

-- at the target: UPDATE sync.receipt
UPDATE [sync].[receipt] SET [state] = N'stale', [seal] = NULL
    WHERE [table_name] = @P1 AND [window_start] = @P2 AND [ordinal] = @P3
GO

-- at the target: UPDATE sync.receipt
UPDATE [sync].[receipt] SET [table_name] = @P1
    WHERE [table_name] = @P2
GO

-- at the target: other holds
-- One row a target table. Whoever loads the table holds the row's epoch;
every load transaction checks it. CREATE TABLE [sync].[lease] ( [table_name] nvarchar(257) NOT NULL, [epoch] bigint NOT NULL, [run_id] binary(16) NOT NULL, [host] nvarchar(128) NOT NULL, [process_id] int NOT NULL, [renewed_at] datetime2(3) NOT NULL, CONSTRAINT [PK_sync_lease] PRIMARY KEY ([table_name]) );
GO

