# Results, in the Test Anything Protocol.
count=0

# is WHAT WANTED FOUND
is() {
    count=$((count + 1))
    if [ "$2" = "$3" ]; then
        echo "ok $count - $1"
    else
        echo "not ok $count - $1"
        echo "# wanted: $2" | sed '2,$s/^/#         /'
        echo "# found:  $3" | sed '2,$s/^/#         /'
    fi
}
