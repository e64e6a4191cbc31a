-- The seal of a receipt: a keyed hash over all that it proves, if [target] receipt_key is set, else NULL.
ALTER TABLE [sync].[receipt] ADD [seal] binary(32) NULL;
