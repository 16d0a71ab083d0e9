#!/bin/sh
echo "core.sendmail is not supported by the embedded StackStorm: it sends no mail. A real one does." >&2
exit 1
