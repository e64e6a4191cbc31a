-- The schema that proves what was loaded: who may write a target table, by which plan, and a receipt a chunk.
-- Batches are separated by lines that say GO. The script runs in one transaction.
IF SCHEMA_ID(N'sync') IS NULL EXEC(N'CREATE SCHEMA [sync]');
GO
CREATE TABLE [sync].[migration] (
    [version] int NOT NULL,
    [name] nvarchar(128) NOT NULL,
    [applied_at] datetime2(3) NOT NULL,
    CONSTRAINT [PK_sync_migration] PRIMARY KEY ([version])
);
GO
-- One row a target table. Whoever loads the table holds the row's epoch; every load transaction checks it.
CREATE TABLE [sync].[lease] (
    [table_name] nvarchar(257) NOT NULL,
    [epoch] bigint NOT NULL,
    [run_id] binary(16) NOT NULL,
    [host] nvarchar(128) NOT NULL,
    [process_id] int NOT NULL,
    [renewed_at] datetime2(3) NOT NULL,
    CONSTRAINT [PK_sync_lease] PRIMARY KEY ([table_name])
);
GO
-- How a target table is loaded: what must not change between runs.
CREATE TABLE [sync].[plan] (
    [table_name] nvarchar(257) NOT NULL,
    [access_path] nvarchar(16) NOT NULL,
    [fingerprint] nvarchar(max) NOT NULL,
    [planned_at] datetime2(3) NOT NULL,
    CONSTRAINT [PK_sync_plan] PRIMARY KEY ([table_name])
);
GO
-- One row a chunk, committed with the chunk's rows. state: loading (inside the load's transaction only),
-- verified, stale (rows of it moved to another chunk). Keys are canonical bytes (docs/format.md).
CREATE TABLE [sync].[receipt] (
    [table_name] nvarchar(257) NOT NULL,
    [window_start] date NOT NULL,
    [window_end] date NOT NULL,
    [ordinal] int NOT NULL,
    [state] nvarchar(16) NOT NULL,
    [load_id] binary(16) NOT NULL,
    [run_id] binary(16) NOT NULL,
    [epoch] bigint NOT NULL,
    [key_after] varbinary(max) NULL,
    [key_through] varbinary(max) NULL,
    [row_count] bigint NOT NULL,
    [byte_count] bigint NOT NULL,
    [digest] binary(32) NOT NULL,
    [target_object_id] int NOT NULL,
    [target_created] nvarchar(23) NOT NULL,
    [loaded_at] datetime2(3) NOT NULL,
    CONSTRAINT [PK_sync_receipt] PRIMARY KEY ([table_name], [window_start], [ordinal])
);
