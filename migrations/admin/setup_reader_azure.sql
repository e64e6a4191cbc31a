-- Makes the user that `sync` reads the source with in an Azure SQL Database. It may SELECT from one schema and see
-- definitions. The user is contained: it has no login, and a readable secondary has it as well. Run the script at the
-- primary as the database's administrator, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right.
--
--   set PASSWORD=...                       (PowerShell: $env:PASSWORD = '...'; a Unix shell: export PASSWORD='...')
--   sqlcmd -S server.database.windows.net -d POS -U admin -b -i setup_reader_azure.sql -v LOGIN=reader SCHEMA=COM_5013
--
-- LOGIN     the user
-- SCHEMA    [source] schema of sync.toml
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
DECLARE @user sysname = N'$(LOGIN)', @schema sysname = N'$(SCHEMA)', @sql nvarchar(max);
SET @sql = N'GRANT SELECT ON SCHEMA::' + QUOTENAME(@schema) + N' TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- setup_reader.sql says what this shows, and when the user needs UNMASK as well.
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
PRINT N'User ' + @user + N' may read schema ' + @schema + N' of ' + DB_NAME();
GO
