-- Repairs a login that is refused. It sets the login's password, unlocks and enables it, sets its default database, grants
-- it the right to connect, and maps the database's user to it again. Run it as a sysadmin, with sqlcmd or in SQLCMD
-- mode, as often as you like.
--
--   set PASSWORD=...                       (PowerShell: $env:PASSWORD = '...'; a Unix shell: export PASSWORD='...')
--   sqlcmd -S 127.0.0.1 -E -b -i fix_login.sql -v LOGIN=etl_user DATABASE=Warehouse
--
-- LOGIN     the login, and the database's user of the same name
-- DATABASE  the database that it works in
-- PASSWORD  its new password: printable ASCII, a ' as it is, without " and of at most 128 characters
:on error exit
SET NOCOUNT ON;
SET XACT_ABORT ON;
-- The password stands between double quotes, where a ' ends nothing.
SET QUOTED_IDENTIFIER OFF;
GO
USE [master];
GO
-- A login of the server itself must stay as it is.
DECLARE @login sysname = N'$(LOGIN)';
IF @login = N'sa' OR @login LIKE N'##%##' OR SUSER_SID(@login) = 0x01
    RAISERROR (N'This login belongs to the server: choose one of its own for sync', 16, 1);
GO
DECLARE @login sysname = N'$(LOGIN)', @database sysname = N'$(DATABASE)', @sql nvarchar(max);
DECLARE @password nvarchar(4000) = "$(PASSWORD)";
IF SUSER_ID(@login) IS NULL
    RAISERROR (N'There is no such login: run setup_etl_user.sql or setup_reader.sql', 16, 1);
ELSE IF @password = N'$' + N'(PASSWORD)' OR LEN(@password) > 128 OR @password LIKE N'%[^ -~]%' COLLATE Latin1_General_BIN2
    RAISERROR (N'The password is not set, has more than 128 characters, or one that is not printable ASCII: set another', 16, 1);
ELSE
BEGIN
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''')
        + N''' UNLOCK';
    EXEC sys.sp_executesql @sql;
    -- Last: a login whose new password is refused must not be let in by its old one.
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' ENABLE';
    EXEC sys.sp_executesql @sql;
    SET @sql = N'ALTER LOGIN ' + QUOTENAME(@login) + N' WITH DEFAULT_DATABASE = ' + QUOTENAME(@database);
    EXEC sys.sp_executesql @sql;
    SET @sql = N'GRANT CONNECT SQL TO ' + QUOTENAME(@login);
    EXEC sys.sp_executesql @sql;
    PRINT N'Login ' + @login + N' is enabled and has its new password';
END
IF CAST(SERVERPROPERTY(N'IsIntegratedSecurityOnly') AS int) = 1
    PRINT N'This server takes Windows logins only: switch mixed mode on, and restart the service';
SET QUOTED_IDENTIFIER ON;
GO
USE [$(DATABASE)];
GO
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
