-- Makes the user that `sync` writes the target with in an Azure SQL Database, and grants it only the rights that it
-- needs. The user is contained: it has no login, and its password is in the database. Run the script as the
-- database's administrator, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right already.
--
--   set PASSWORD=...                       (PowerShell: $env:PASSWORD = '...'; a Unix shell: export PASSWORD='...')
--   sqlcmd -S server.database.windows.net -d Warehouse -U admin -b -i setup_etl_user_azure.sql -v LOGIN=etl_user SCHEMA=pos
--
-- LOGIN     the user
-- SCHEMA    [target] schema of sync.toml: one of its own, which this makes and the user owns
-- PASSWORD  for a user that is made now: printable ASCII, a ' as it is, without " and of at most 128 characters
:on error exit
SET NOCOUNT ON;
SET XACT_ABORT ON;
-- The password stands between double quotes, where a ' ends nothing.
SET QUOTED_IDENTIFIER OFF;
GO
-- A principal of the server itself must stay as it is.
DECLARE @user sysname = N'$(LOGIN)';
IF @user IN (N'sa', N'dbo', N'guest', N'sys', N'INFORMATION_SCHEMA', N'public')
    OR @user LIKE N'##%##' OR @user LIKE N'db[_]%'
    RAISERROR (N'This user belongs to the server: choose one of its own for sync', 16, 1);
GO
DECLARE @user sysname = N'$(LOGIN)', @sql nvarchar(max);
DECLARE @password nvarchar(4000) = "$(PASSWORD)";
IF DATABASE_PRINCIPAL_ID(@user) IS NULL
    AND (@password = N'$' + N'(PASSWORD)' OR LEN(@password) > 128 OR @password LIKE N'%[^ -~]%' COLLATE Latin1_General_BIN2)
    RAISERROR (N'The password is not set, has more than 128 characters, or one that is not printable ASCII: set another', 16, 1);
ELSE IF DATABASE_PRINCIPAL_ID(@user) IS NULL
BEGIN
    SET @sql = N'CREATE USER ' + QUOTENAME(@user) + N' WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''')
        + N'''';
    EXEC sys.sp_executesql @sql;
    PRINT N'Made user ' + @user;
END
SET QUOTED_IDENTIFIER ON;
GO
-- setup_etl_user.sql has the same statements.
DECLARE @user sysname = N'$(LOGIN)', @schema sysname = N'$(SCHEMA)', @sql nvarchar(max);
-- Receipts, leases and plans: the user's own schema, so that migrations need no more than this.
IF SCHEMA_ID(N'sync') IS NULL
BEGIN
    SET @sql = N'CREATE SCHEMA [sync] AUTHORIZATION ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
-- The tables: the user's own schema as well, so that no trigger on them reaches by ownership chaining what dbo owns.
IF SCHEMA_ID(@schema) IS NULL
BEGIN
    SET @sql = N'CREATE SCHEMA ' + QUOTENAME(@schema) + N' AUTHORIZATION ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
-- A schema that is there may belong to another. docs/operations.md says which statement needs which of these rights.
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'sync' AND principal_id = DATABASE_PRINCIPAL_ID(@user))
BEGIN
    SET @sql = N'GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::[sync] TO ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
    PRINT N'WARNING: schema sync belongs to another than ' + @user + N', who may make triggers in it that'
        + N' reach by ownership chaining what its owner owns';
END
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = @schema AND principal_id = DATABASE_PRINCIPAL_ID(@user))
BEGIN
    SET @sql = N'GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::' + QUOTENAME(@schema) + N' TO '
        + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
    PRINT N'WARNING: schema ' + @schema + N' belongs to another than ' + @user + N'. ALTER on it lets ' + @user
        + N' make triggers on its tables. By ownership chaining they read and change whatever the owner of the'
        + N' schema owns; if that is dbo, nearly everything. Give sync a schema of its own instead';
END
SET @sql = N'GRANT CREATE TABLE TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- With these rights `sync` sees a table's grants, the objects bound to it and the classifications of its columns, so it
-- knows whether a cutover of a reference table would lose them. They show definitions and no rows; without them such
-- tables are refreshed in place.
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
SET @sql = N'GRANT SELECT ON [sys].[sql_expression_dependencies] TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- SQL Server has it from 2019 on, and so has Azure SQL.
IF CAST(SERVERPROPERTY(N'ProductMajorVersion') AS int) >= 15 OR CAST(SERVERPROPERTY(N'EngineEdition') AS int) IN (5, 8)
BEGIN
    SET @sql = N'GRANT VIEW ANY SENSITIVITY CLASSIFICATION TO ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
PRINT N'User ' + @user + N' may load schema ' + @schema + N' of ' + DB_NAME();
GO
