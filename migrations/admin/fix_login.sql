-- Repairs a login that is refused. It enables and unlocks the login, sets its password and default database, grants
-- it the right to connect, and maps the database's user to it again. Run it as a sysadmin, with sqlcmd or in SQLCMD
-- mode, as often as you like.
--
--   set PASSWORD=...                       (sqlcmd reads it from the environment, so that no command line shows it)
--   sqlcmd -S 127.0.0.1 -E -b -i fix_login.sql -v LOGIN=etl_user DATABASE=Warehouse
--
-- LOGIN     the login, and the database's user of the same name
-- DATABASE  the database that it works in
-- PASSWORD  its new password; double a ' in it
SET NOCOUNT ON;
SET XACT_ABORT ON;
USE [master];
DECLARE @login sysname = N'$(LOGIN)', @database sysname = N'$(DATABASE)', @sql nvarchar(max);
IF SUSER_ID(@login) IS NULL
    RAISERROR (N'There is no such login: run setup_etl_user.sql or setup_reader.sql', 16, 1);
ELSE
BEGIN
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' ENABLE';
    EXEC sys.sp_executesql @sql;
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' WITH PASSWORD = ' + QUOTENAME(N'$(PASSWORD)', N'''')
        + N' UNLOCK';
    EXEC sys.sp_executesql @sql;
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' WITH DEFAULT_DATABASE = ' + QUOTENAME(@database);
    EXEC sys.sp_executesql @sql;
    SET @sql = N'GRANT CONNECT SQL TO ' + QUOTENAME(@login);
    EXEC sys.sp_executesql @sql;
    PRINT N'Login ' + @login + N' is enabled and has its new password';
END
IF CAST(SERVERPROPERTY(N'IsIntegratedSecurityOnly') AS int) = 1
    PRINT N'This server takes Windows logins only: switch mixed mode on, and restart the service';
GO
USE [$(DATABASE)];
DECLARE @user sysname = N'$(LOGIN)', @sql nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@user) IS NULL
    SET @sql = N'CREATE USER ' + QUOTENAME(@user) + N' FOR LOGIN ' + QUOTENAME(@user);
ELSE
    SET @sql = N'ALTER USER ' + QUOTENAME(@user) + N' WITH LOGIN = ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
SET @sql = N'GRANT CONNECT TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
PRINT N'User ' + @user + N' of ' + DB_NAME() + N' belongs to it';
GO
