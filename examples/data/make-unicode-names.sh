#!/bin/sh
# Makes unicode-names.tsv from UnicodeData.txt of the Unicode Character Database.
#
#     sh make-unicode-names.sh /usr/share/unicode/UnicodeData.txt > unicode-names.tsv
#
# UnicodeData.txt has one line per character, fields separated by semicolons: the
# first is the code point, the second the name. A name in angle brackets is not a
# name but a label (a control character, the ends of a range): such lines are left out.
set -eu
exec awk -F ';' '$2 !~ /^</ { print $1 "\t" $2 }' "$1"
