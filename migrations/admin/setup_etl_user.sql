-- Makes the login that `sync` writes the target with, and grants it only the rights that it needs. Run the script as
-- a sysadmin at the target's server, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right already.
--
--   set PASSWORD=...                       (sqlcmd reads it from the environment, so that no command line shows it)
--   sqlcmd -S 127.0.0.1 -E -b -i setup_etl_user.sql -v LOGIN=etl_user DATABASE=Warehouse SCHEMA=pos
--
-- LOGIN     the login, and the database's user of the same name
-- DATABASE  the target's database, which must exist
-- SCHEMA    [target] schema of sync.toml: one of its own, so that the user may not alter the tables of others
-- PASSWORD  for a login that is made now; double a ' in it. fix_login.sql changes that of one that is there
SET NOCOUNT ON;
SET XACT_ABORT ON;
USE [master];
DECLARE @login sysname = N'$(LOGIN)', @database sysname = N'$(DATABASE)', @sql nvarchar(max);
IF SUSER_ID(@login) IS NULL
BEGIN
    SET @sql = N'CREATE LOGIN ' + QUOTENAME(@login) + N' WITH PASSWORD = ' + QUOTENAME(N'$(PASSWORD)', N'''')
        + N', DEFAULT_DATABASE = ' + QUOTENAME(@database) + N', CHECK_POLICY = ON, CHECK_EXPIRATION = OFF';
    EXEC sys.sp_executesql @sql;
    PRINT N'Made login ' + @login;
END
IF CAST(SERVERPROPERTY(N'IsIntegratedSecurityOnly') AS int) = 1
    PRINT N'This server takes Windows logins only: switch mixed mode on, and restart the service';
GO
USE [$(DATABASE)];
DECLARE @user sysname = N'$(LOGIN)', @schema sysname = N'$(SCHEMA)', @sql nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@user) IS NULL
    SET @sql = N'CREATE USER ' + QUOTENAME(@user) + N' FOR LOGIN ' + QUOTENAME(@user);
ELSE
    -- A user that came with a restored database belongs to nobody until it is mapped.
    SET @sql = N'ALTER USER ' + QUOTENAME(@user) + N' WITH LOGIN = ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
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
-- `sync` makes missing tables (CREATE TABLE and ALTER), then deletes from them, inserts into them and reads back.
-- IDENTITY_INSERT and the cutover of a reference table also need ALTER. A refresh in place needs UPDATE.
SET @sql = N'GRANT CREATE TABLE TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
IF NOT EXISTS (SELECT 1 FROM sys.schemas WHERE name = @schema AND principal_id = DATABASE_PRINCIPAL_ID(@user))
BEGIN
    SET @sql = N'GRANT SELECT, INSERT, UPDATE, DELETE, ALTER ON SCHEMA::' + QUOTENAME(@schema) + N' TO ' + QUOTENAME(@user);
    EXEC sys.sp_executesql @sql;
END
-- With these rights `sync` sees a table's grants and the objects bound to it, so it knows whether a cutover of a
-- reference table would lose them. Both show definitions and no rows; without them such tables are refreshed in place.
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
SET @sql = N'GRANT SELECT ON [sys].[sql_expression_dependencies] TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
PRINT N'User ' + @user + N' may load schema ' + @schema + N' of ' + DB_NAME();
GO
