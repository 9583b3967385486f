# Adds a column to a table, by names and not by places.
set -eu
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; print $0 ",speed"; next }
    { print $0 "," sprintf("%.17g", sqrt($at["vx"]^2 + $at["vy"]^2 + $at["vz"]^2)) }
' inputs/stars.csv > outputs/stars.csv
stars=$(($(wc -l < outputs/stars.csv) - 1))
echo "speeds of $stars stars" > outputs/notes.txt
echo "{\"metric\": {\"name\": \"stars\", \"value\": $stars}}"
