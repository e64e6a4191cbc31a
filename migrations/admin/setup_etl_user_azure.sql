-- Makes the user that `sync` writes the target with in an Azure SQL Database, and grants it only the rights that it
-- needs. The user is contained: it has no login, and its password is in the database. Run the script as the
-- database's administrator, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right already.
--
--   set PASSWORD=...                       (sqlcmd reads it from the environment, so that no command line shows it)
--   sqlcmd -S server.database.windows.net -d Warehouse -U admin -b -i setup_etl_user_azure.sql -v LOGIN=etl_user SCHEMA=pos
--
-- LOGIN     the user
-- SCHEMA    [target] schema of sync.toml: one of its own, so that the user may not alter the tables of others
-- PASSWORD  for a user that is made now; double a ' in it
SET NOCOUNT ON;
SET XACT_ABORT ON;
DECLARE @user sysname = N'$(LOGIN)', @sql nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@user) IS NULL
BEGIN
    SET @sql = N'CREATE USER ' + QUOTENAME(@user) + N' WITH PASSWORD = ' + QUOTENAME(N'$(PASSWORD)', N'''');
    EXEC sys.sp_executesql @sql;
    PRINT N'Made user ' + @user;
END
GO
DECLARE @user sysname = N'$(LOGIN)', @schema sysname = N'$(SCHEMA)', @sql nvarchar(max);
IF SCHEMA_ID(@schema) IS NULL
BEGIN
    SET @sql = N'CREATE SCHEMA ' + QUOTENAME(@schema) + N' AUTHORIZATION [dbo]';
    EXEC sys.sp_executesql @sql;
END
-- Receipts, leases and plans: the user's own schema, so that migrations need no more than this.
IF SCHEMA_ID(N'sync') IS NULL
BEGIN
    SET @sql = N'CREATE SCHEMA [sync] AUTHORIZATION ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
ELSE IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = N'sync' AND principal_id = DATABASE_PRINCIPAL_ID(@user))
BEGIN
    SET @sql = N'GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::[sync] TO ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
-- setup_etl_user.sql says what each of these rights is for.
SET @sql = N'GRANT CREATE TABLE TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = @schema AND principal_id = DATABASE_PRINCIPAL_ID(@user))
BEGIN
    SET @sql = N'GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::' + QUOTENAME(@schema) + N' TO ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
SET @sql = N'GRANT SELECT ON [sys].[sql_expression_dependencies] TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
PRINT N'User ' + @user + N' may load schema ' + @schema + N' of ' + DB_NAME();
GO
