-- Makes the login that `sync` reads the source with. It may SELECT from one schema and see definitions. Run the
-- script as a sysadmin, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right already.
--
--   set PASSWORD=...                       (PowerShell: $env:PASSWORD = '...'; a Unix shell: export PASSWORD='...')
--   sqlcmd -S primary.example -E -b -i setup_reader.sql -v LOGIN=reader DATABASE=POS SCHEMA=COM_5013
--
-- A readable secondary cannot be written: run this at its primary. The user and its rights arrive with the log, the
-- login does not. Make it at the secondary as well, with the same SID, which this script prints at its end.
--
-- LOGIN     the login, and the database's user of the same name
-- DATABASE  the source's database
-- SCHEMA    [source] schema of sync.toml
-- PASSWORD  for a login that is made now: printable ASCII, a ' as it is, without " and of at most 128 characters
--           fix_login.sql changes that of one that is there
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
    AND (@password = N'$' + N'(PASSWORD)' OR LEN(@password) > 128 OR @password LIKE N'%[^ -~]%' COLLATE Latin1_General_BIN2)
    RAISERROR (N'The password is not set, has more than 128 characters, or one that is not printable ASCII: set another', 16, 1);
ELSE IF SUSER_ID(@login) IS NULL
BEGIN
    SET @sql = N'CREATE LOGIN ' + QUOTENAME(@login) + N' WITH PASSWORD = N''' + REPLACE(@password, N'''', N'''''')
        + N''', DEFAULT_DATABASE = ' + QUOTENAME(@database) + N', CHECK_POLICY = ON, CHECK_EXPIRATION = OFF';
    EXEC sys.sp_executesql @sql;
    PRINT N'Made login ' + @login;
END
IF CAST(SERVERPROPERTY(N'IsIntegratedSecurityOnly') AS int) = 1
    PRINT N'This server takes Windows logins only: switch mixed mode on, and restart the service';
SET QUOTED_IDENTIFIER ON;
GO
USE [$(DATABASE)];
GO
DECLARE @user sysname = N'$(LOGIN)', @schema sysname = N'$(SCHEMA)', @sql nvarchar(max);
IF DATABASE_PRINCIPAL_ID(@user) IS NULL
    SET @sql = N'CREATE USER ' + QUOTENAME(@user) + N' FOR LOGIN ' + QUOTENAME(@user);
ELSE
    -- A user that came with a restored database belongs to nobody until it is mapped.
    SET @sql = N'ALTER USER ' + QUOTENAME(@user) + N' WITH LOGIN = ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
SET @sql = N'GRANT SELECT ON SCHEMA::' + QUOTENAME(@schema) + N' TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- VIEW DEFINITION shows the indexes and types that a plan is made from, also of tables that may not be read. It is on
-- the database, because alias types and security policies may be in any schema. Without it `sync` cannot detect a
-- policy that hides rows from this login.
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- If columns are masked, this login needs UNMASK as well. The owner of the data decides that:
--   GRANT UNMASK TO [reader];
-- VIEW SERVER STATE lets `sync` see whether somebody waits for it, how the disks do, and how far a replica is behind.
-- It shows what all sessions run, so the owner of the server decides, at each replica:
--   USE [master]; GRANT VIEW SERVER STATE TO [reader];
PRINT N'User ' + @user + N' may read schema ' + @schema + N' of ' + DB_NAME() + N'; SID of its login: '
    + CONVERT(nvarchar(200), SUSER_SID(@user), 1);
GO
