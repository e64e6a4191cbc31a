-- Makes the user that `sync` reads the source with in an Azure SQL Database. It may SELECT from one schema and see
-- definitions. The user is contained: it has no login, and a readable secondary has it as well. Run the script at the
-- primary as the database's administrator, with sqlcmd or in SQLCMD mode; a second run changes nothing that is right.
--
--   set PASSWORD=...                       (sqlcmd reads it from the environment, so that no command line shows it)
--   sqlcmd -S server.database.windows.net -d POS -U admin -b -i setup_reader_azure.sql -v LOGIN=reader SCHEMA=COM_5013
--
-- LOGIN     the user
-- SCHEMA    [source] schema of sync.toml
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
SET @sql = N'GRANT SELECT ON SCHEMA::' + QUOTENAME(@schema) + N' TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
-- setup_reader.sql says what this shows, and when the user needs UNMASK as well.
SET @sql = N'GRANT VIEW DEFINITION TO ' + QUOTENAME(@user);
EXEC sys.sp_executesql @sql;
PRINT N'User ' + @user + N' may read schema ' + @schema + N' of ' + DB_NAME();
GO
