package errortext

// The sentences below are what strerror (glibc 2.36 in its 40 languages, musl
// 1.2), FormatMessage on Windows, AIX, djb's error_str and Qt 5 and 6
// (qnativesocketengine.cpp) print for three errors.
// A to Z are in lower case; a first letter beyond ASCII is left out, for some
// programs print the sentence in lower case.

// inUseSentences are EADDRINUSE and WSAEADDRINUSE (10048).
var inUseSentences = []string{
	"address already in use", "address already used", "address in use",
	"only one usage of each socket address", "bound address is already in use", "socket name is already in use", "host address is already in use",
	"дресът вече се използва", "adreça ja és en ús", "adresa je užívána",
	"adressen er allerede i brug", "adresse wird bereits verwendet",
	"διεύθυνση υποδοχής είναι ήδη σε χρήση", "adreso jam uziĝas",
	"dirección ya se está usando", "dirección ya está en uso", "osoite on jo käytössä",
	"adresse déjà utilisée", "adresse est déjà utilisée", "estase usando o enderezo", "adrese se već koriste",
	"cím már használatban van", "alamat telah digunakan", "alamat sudah digunakan", "indirizzo già in uso",
	"ドレスは既に使用中です", "ドレスは既に使用されています", "주소가 이미 사용",
	"adresas jau naudojamas", "adressen er allerede i bruk", "adres is al in gebruik",
	"adres jest już w użyciu", "endereço já em uso", "endereço já está em uso",
	"дрес уже используется", "adresa je používaná", "naslov je že v rabi",
	"дреса је већ у употреби", "adressen redan upptagen", "adressen används redan", "adres zaten kullanımda",
	"дресу вже використано", "ịa chỉ đang được dùng",
	"地址已在使用", "地址已被使用", "地址已经被使用", "地址已被占用", "位址已經有在使用", "位址已在使用",
	"darf jede socketadresse", "utilisation de chaque adresse de socket",
	"un uso de cada dirección de socket", "utilização de cada endereço de s",
	"utilizzo di ogni indirizzo di socket", "использование адреса сокета",
	"每个套接字地址", "一次只能用一個通訊端位址", "各ソケット アドレスに対して", "각 소켓 주소",
	"użycie każdego adresu gniazda", "elk socketadres", "her yuva adresinin",
	"použití každé adresy soketu", "användning av varje socketadress",
	"szoftvercsatorna-cím", "bruge hver socketadresse", "bruk av hver socketadresse", "використання кожної адреси сокета",
}

// accesSentences are WSAEACCES (10013). They name the socket, so that they can
// come from nothing but a bind or a connect.
var accesSentences = []string{
	"access a socket in a way forbidden", "httplistenerexception (5)", "httplistenerexception: access is denied",
	"zugriff auf einen socket war aufgrund der zugriffsrechte", "aufgrund der zugriffsrechte des sockets",
	"accès à un socket de manière interdite", "accéder à un socket",
	"acceso a un socket no permitido", "acesso a um soquete de uma maneira", "acesso a um socket de",
	"accesso al socket con modalità non consentite",
	"доступа к сокету методом, запрещенным", "以一种访问权限不允许的方式做了一个访问套接字的尝试",
	"存取通訊端", "嘗試存取通訊端被拒絕", "ソケットにアクセスしようとしました", "소켓에 액세스를 시도했습니다",
	"dostępu do gniazda w sposób zabroniony", "toegang te krijgen tot een socket",
	"bir yuvaya erişim izinleri", "přístup k soketu způsobem, který je zakázán",
	"åtkomst till en socket på ett sätt", "доступу до сокета",
}

// deniedSentences are EACCES, which a file gets more often than a socket.
var deniedSentences = []string{
	"permission denied", "access denied", "address is protected",
	"бракуе правоў", "тказан достъп", "ha denegat el permís", "operace zamítnuta", "adgang nægtet",
	"keine berechtigung", "ρνηση πρόσβασης", "mankas permeso", "permiso denegado", "lupa evätty",
	"permission non accordée", "permission refusée", "pristup je odbijen", "engedély megtagadva",
	"ijin ditolak", "izin ditolak", "permesso negato", "許可がありません", "허가 거부", "ikke tilgang", "toegang geweigerd",
	"brak dostępu", "permissão recusada", "permissão negada", "тказано в доступе", "prístup odmietnutý",
	"влашћење је одбијено", "tkomst nekas", "erişim engellendi", "ідмовлено у доступі",
	"hông đủ quyền truy cập", "权限不够", "拒絕不符權限的操作", "权限被拒绝", "拒绝访问权限",
}

// notAvailSentences are EADDRNOTAVAIL and WSAEADDRNOTAVAIL (10049).
var notAvailSentences = []string{
	"cannot assign requested address", "can't assign requested address", "address not available",
	"requested address is not valid in", "socket name is not available on this system", "that ip address can't be assigned to", "that ip address can't be assigned-to", "invalid address: (",
	"едостъпен адрес на гнездо", "pogut assignar l'adreça sol", "ožadovanou adresu nelze přiřadit",
	"ikke tildele den ønskede adresse", "angeforderte adresse kann nicht zugewiesen", "εκχώρηση της ζητηθήσας διεύθυνσης",
	"eblas asigni petatan adreson", "se puede asignar la dirección solicitada", "yydettyä osoitetta ei voi asettaa",
	"peut attribuer l'adresse demandée", "impossible d'assigner l'adresse demandée", "pode asigna-lo enderezo pedido", "dodijeliti zatraženu adresu",
	"kért címet hozzárendelni", "dapat menempatkan permintaan alamat", "assegnare l'indirizzo richiesto",
	"要求アドレスに割り当てられません", "要求されたアドレスに割り当てられません", "요청한 주소를 배정할 수 없습니다", "priskirti prašomo adreso",
	"benytte den ønskede adressen", "kan verzochte adres niet toewijzen", "można przypisać żądanego adresu",
	"atribuir o endereço pedido", "acessar o endereço requisitado", "назначить запрошенный адрес",
	"riradenie požadovanej adresy", "zahtevanega naslova ni mogoče dodeliti", "доделим захтевану адресу",
	"kan inte tilldela begärd adress", "stenen adres bulunamıyor", "призначити вказану адресу",
	"gán địa chỉ đã yêu cầu", "无法指定被请求的地址", "無法指定所需的位址",
	"angeforderte adresse ist in diesem kontext ungültig", "adresse demandée n'est pas valide dans son contexte",
	"dirección solicitada no es válida en este contexto", "endereço solicitado não é válido n",
	"indirizzo richiesto non è valido nel proprio contesto", "ребуемый адрес для своего контекста неверен",
	"该请求的地址无效", "要求的位址在其內容中無效", "要求したアドレスのコンテキストが無効", "요청한 주소는 해당 컨텍스트에서 유효하지 않습니다",
	"ądany adres jest nieprawidłowy w tym kontekście",
}

// absentSentences are EADDRNOTAVAIL in words that other addresses get too.
var absentSentences = []string{"address is not available"}

// names are symbols of the errors in errno.h, libuv, Rust, .NET, Erlang and Zig,
// and the Windows errors as an HRESULT (0x8007 and the error in hexadecimal).
var (
	inUseNames    = []string{"eaddrinuse", "addrinuse", "addressalreadyinuse", "addressinuse", "0x80072740"}
	notAvailNames = []string{"eaddrnotavail", "addrnotavail", "addressnotavailable", "addressunavailable", "0x80072741"}
	accesNames    = []string{"eacces", "eaccess", "permissiondenied"}
)

// otherReasons are why a bind can fail that are none of the kinds: a line with
// one of them and none of the above is no failure that is looked for.
var otherReasons = []string{
	"operation not permitted", "invalid argument", "no such ", "not supported", "not known", "unsupported",
	"refused", "timed out", "timeout", "too many open files", "missing port", "invalid port", "invalid value",
	"invalid credentials", "invalid address", "malformed", "unreachable", "certificate", "unknown host", "unknown port", "bad service", "bad hostname", "bad protocol",
	"not found", "out of range", "parse", "resolve", "resolution", "getaddrinfo", "lookup", "bad file descriptor",
	"shut down", "closed", "out of memory", "not configured", "name or service", "servname", "unmarshal", "nodename", "unexpected end",
	"permission", "access is denied", "iptables", "nftables", "read-only", "privilege", "unauthorized", "forbidden", "protocol family", "address family",
}
